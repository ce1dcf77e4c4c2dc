// What a NATS server sends (docs.nats.io, "Client Protocol"), read from bytes as they come. Strict and bounded: what no
// server sends is a failure. No network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace deltaforge::sinks::nats {

// Its views hold until the reader's next space().
struct ServerMessage {
  enum class Kind : std::uint8_t {
    info,     // payload: JSON
    message,  // subject, headers (with their first line; may be empty), payload
    ping,
    pong,
    ok,
    error,  // payload: why, without its quotes
  };
  Kind kind;
  std::string_view subject, headers, payload;
};

// Nobody listens to a subject that was asked.
bool is_no_responders(const ServerMessage&);

class ServerReader {
 public:
  static constexpr std::size_t kLongestLine = 1024 * 1024;  // INFO names all servers of a cluster
  static constexpr std::size_t kLongestMessage = 8 * 1024 * 1024;

  // Where further bytes go; filled() says how many came. Never empty.
  std::span<std::byte> space();
  void filled(std::size_t size) { end_ += size; }
  // Bytes that are no whole message yet.
  std::size_t left() const { return end_ - begin_; }

  // The next whole message; nothing when bytes are missing, or it has failed.
  std::optional<ServerMessage> next();
  // Why the bytes are none of a server; empty: they are.
  std::string_view failure() const { return failure_; }

 private:
  std::optional<ServerMessage> fail(std::string_view why) {
    failure_ = why;
    return std::nullopt;
  }
  std::optional<ServerMessage> message(std::string_view arguments, std::size_t body, bool with_headers);

  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::string_view failure_;
};

// What INFO says of a server.
struct ServerInfo {
  static constexpr std::size_t kUsualMaxPayload = 1024 * 1024;  // of a server that was told none

  bool headers = false;
  bool tls_available = false;
  bool tls_required = false;
  std::size_t max_payload = kUsualMaxPayload;
  std::string nonce;  // to be signed; empty: not asked for
};
// Nothing: it is no such text. `max_payload`: what is known of it, where the text does not say.
std::optional<ServerInfo> parse_info(std::string_view json, std::size_t max_payload = ServerInfo::kUsualMaxPayload);

}  // namespace deltaforge::sinks::nats
