// Writes JSON text straight into a slab: no tree, no heap. One object per event: commit() keeps what was written,
// without it the slab is as before. Values are written as docs/formats/native-event.md shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/slab.h"
#include "core/value.h"

namespace deltaforge::encode {

// How a value is written that the log did not repeat, and what stands before the base64 of bytes.
inline constexpr std::string_view kUnchanged = R"({"_unchanged":true})";
inline constexpr std::string_view kBytesBegin = R"({"_base64":")";

class JsonWriter {
 public:
  explicit JsonWriter(Slab& out) : slab_(out), start_(out.size()) { map(kAhead); }
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;
  ~JsonWriter() {
    if (!committed_) slab_.truncate(start_);
  }

  // JSON that is known to be valid.
  void raw(std::string_view json) {
    room(json.size());
    std::memcpy(at_, json.data(), json.size());
    at_ += json.size();
  }
  void raw(char c) {
    room(1);
    *at_++ = c;
  }
  // The same for text with kPadding readable bytes behind it: quicker for short ones.
  static constexpr std::size_t kPadding = 16;
  void raw_padded(std::string_view json) {
    char* to = room(json.size() + kPadding);
    for (std::size_t at = 0; at < json.size(); at += kPadding) std::memcpy(to + at, json.data() + at, kPadding);
    at_ = to + json.size();
  }
  // Ends a list of members or items, each of which was written with a comma behind it.
  void close(char bracket) {
    if (at_[-1] == ',')
      at_[-1] = bracket;
    else
      raw(bracket);
  }

  void integer(std::int64_t);
  void natural(std::uint64_t);
  // Shortest text that reads back as the same number, `.0` kept: 1.0, 0.1, 1e+20, -0.0. Finite.
  void float32(float);
  void float64(double);
  // In quotes, escaped. False: not UTF-8, what was written is of no use.
  [[nodiscard]] bool string(std::string_view text);
  // {"_base64":"..."}
  void bytes(std::string_view bytes);
  // Verified JSON as it is, but on one line: LF and CR can only stand between its tokens and become blanks.
  [[nodiscard]] bool json(std::string_view text);
  // Any value but `absent`.
  [[nodiscard]] bool value(const Value&);

  // The tail that the next `size` bytes fill; wrote() says how many were.
  char* room(std::size_t size) {
    if (static_cast<std::size_t>(end_ - at_) < size) [[unlikely]]
      more(size);
    return at_;
  }
  void wrote(char* end) { at_ = end; }

  void commit() {
    slab_.add(static_cast<std::size_t>(at_ - begin_));
    begin_ = at_;
    committed_ = true;
  }

 private:
  // Less than a slab's headroom: an ordinary event never makes a slab grow.
  static constexpr std::size_t kAhead = 64 * 1024;

  void map(std::size_t size) {
    begin_ = at_ = slab_.room(size);
    end_ = begin_ + size;
  }
  void more(std::size_t size);

  Slab& slab_;
  const std::size_t start_;
  char* begin_ = nullptr;  // what the slab does not know of yet is [begin_, at_)
  char* at_ = nullptr;
  char* end_ = nullptr;
  bool committed_ = false;
};

}  // namespace deltaforge::encode
