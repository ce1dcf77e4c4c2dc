// Replies of a Redis server (RESP2), read from bytes as they come. Strict and bounded: what no answer to our commands
// can look like is a failure. Arrays are flat: their header is a reply of its own, their items follow. No network, no
// heap call after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace deltaforge::sinks::redis {

struct Reply {
  enum class Type : std::uint8_t { status, error, integer, bulk, null, array };
  Type type = Type::null;
  std::string_view text;    // status, error, bulk; until the next space()
  std::int64_t number = 0;  // integer: its value; array: how many items follow
};

class ReplyReader {
 public:
  static constexpr std::size_t kLongestReply = 64 * 1024;
  static constexpr std::int64_t kLargestArray = 1024 * 1024;

  ReplyReader() : buffer_(2 * kLongestReply) {}

  // Where further bytes go; filled() says how many came. Never empty as long as next() was asked until it had nothing.
  std::span<std::byte> space();
  void filled(std::size_t size) { end_ += size; }

  // The next whole reply; nothing when bytes are missing, or it has failed.
  std::optional<Reply> next();
  // Why the bytes are no replies; empty: they are.
  std::string_view failure() const { return failure_; }

 private:
  std::optional<Reply> fail(std::string_view why) {
    failure_ = why;
    return std::nullopt;
  }
  std::optional<Reply> bulk(std::int64_t size, std::size_t body);

  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::string_view failure_;
};

}  // namespace deltaforge::sinks::redis
