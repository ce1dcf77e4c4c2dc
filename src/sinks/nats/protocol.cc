#include "sinks/nats/protocol.h"

#include <array>
#include <charconv>
#include <cstring>

#include <nlohmann/json.hpp>

namespace deltaforge::sinks::nats {
namespace {

constexpr std::size_t kLeastSpace = 64 * 1024;

// Words between blanks; nothing: there are more than `most`.
template <std::size_t most>
std::optional<std::size_t> split(std::string_view text, std::array<std::string_view, most>& words) {
  std::size_t count = 0;
  for (;;) {
    const std::size_t from = text.find_first_not_of(" \t");
    if (from == std::string_view::npos) return count;
    if (count == most) return std::nullopt;
    const std::size_t end = std::min(text.find_first_of(" \t", from), text.size());
    words[count++] = text.substr(from, end - from);
    text.remove_prefix(end);
  }
}

std::optional<std::size_t> size_of(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > ServerReader::kLongestMessage)
    return std::nullopt;
  return value;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::string_view unquoted(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'') return text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

bool is_no_responders(const ServerMessage& message) {
  return message.payload.empty() && message.headers.starts_with("NATS/1.0 503");
}

std::span<std::byte> ServerReader::space() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() - end_ < kLeastSpace && begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kLeastSpace) buffer_.resize(2 * buffer_.size() + 2 * kLeastSpace);
  return std::span(buffer_).subspan(end_);
}

std::optional<ServerMessage> ServerReader::next() {
  using Kind = ServerMessage::Kind;
  if (!failure_.empty() || begin_ == end_) return std::nullopt;
  const char* from = reinterpret_cast<const char*>(buffer_.data()) + begin_;
  const std::size_t size = end_ - begin_;
  const auto* feed = static_cast<const char*>(std::memchr(from, '\n', size));
  const std::size_t line_size = feed == nullptr ? size : static_cast<std::size_t>(feed - from);
  if (line_size > kLongestLine) return fail("a line is longer than any of a server");
  if (feed == nullptr) return std::nullopt;
  if (line_size == 0 || feed[-1] != '\r') return fail("a line does not end with CR LF");
  std::string_view line(from, line_size - 1);

  if (take_prefix(line, "MSG ")) return message(line, line_size + 1, false);
  if (take_prefix(line, "HMSG ")) return message(line, line_size + 1, true);
  begin_ += line_size + 1;
  if (line == "PING") return ServerMessage{Kind::ping, {}, {}, {}};
  if (line == "PONG") return ServerMessage{Kind::pong, {}, {}, {}};
  if (line == "+OK") return ServerMessage{Kind::ok, {}, {}, {}};
  if (take_prefix(line, "-ERR")) return ServerMessage{Kind::error, {}, {}, unquoted(line)};
  if (take_prefix(line, "INFO ")) return ServerMessage{Kind::info, {}, {}, line};
  return fail("a line is none of a server");
}

// `body`: where what it carries begins, behind the line's own begin.
std::optional<ServerMessage> ServerReader::message(std::string_view arguments, std::size_t body, bool with_headers) {
  std::array<std::string_view, 5> words;
  const std::size_t numbers = with_headers ? 2 : 1;
  const auto count = split(arguments, words);
  if (!count || *count < 2 + numbers || *count > 3 + numbers) return fail("a message has other fields than it must");
  const auto total = size_of(words[*count - 1]);
  const auto headers = with_headers ? size_of(words[*count - 2]) : 0;
  if (!total || !headers || *headers > *total) return fail("the size of a message is none, or larger than any answer");
  if (end_ - begin_ < body + *total + 2) return std::nullopt;
  const char* from = reinterpret_cast<const char*>(buffer_.data()) + begin_ + body;
  if (from[*total] != '\r' || from[*total + 1] != '\n') return fail("a message does not end where it says");
  begin_ += body + *total + 2;
  return ServerMessage{ServerMessage::Kind::message, words[0], {from, *headers}, {from + *headers, *total - *headers}};
}

std::optional<ServerInfo> parse_info(std::string_view text, std::size_t max_payload) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto flag = [&](const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_boolean() && found->get<bool>();
  };
  ServerInfo info;
  info.headers = flag("headers");
  info.tls_available = flag("tls_available");
  info.tls_required = flag("tls_required");
  info.max_payload = max_payload;
  if (const auto found = json.find("max_payload"); found != json.end() && found->is_number_unsigned())
    info.max_payload = found->get<std::size_t>();
  if (const auto found = json.find("nonce"); found != json.end() && found->is_string())
    info.nonce = found->get<std::string>();
  return info;
}

}  // namespace deltaforge::sinks::nats
