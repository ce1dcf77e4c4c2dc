#include "sinks/redis/resp.h"

#include <charconv>
#include <cstring>

namespace deltaforge::sinks::redis {
namespace {

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::span<std::byte> ReplyReader::space() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ > kLongestReply && begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return std::span(buffer_).subspan(end_);
}

std::optional<Reply> ReplyReader::next() {
  if (!failure_.empty() || begin_ == end_) return std::nullopt;
  const char* from = reinterpret_cast<const char*>(buffer_.data()) + begin_;
  const std::size_t size = end_ - begin_;
  const auto* feed = static_cast<const char*>(std::memchr(from, '\n', size));
  if (feed == nullptr) {
    if (size >= kLongestReply) return fail("a line is longer than any reply");
    return std::nullopt;
  }
  const std::size_t line_end = static_cast<std::size_t>(feed - from);
  if (line_end < 2 || feed[-1] != '\r') return fail("a line does not end with CR LF, or is empty");
  if (line_end > kLongestReply) return fail("a line is longer than any reply");
  const std::string_view line(from + 1, line_end - 2);

  Reply reply;
  switch (from[0]) {
    case '+': reply = {Reply::Type::status, line, 0}; break;
    case '-': reply = {Reply::Type::error, line, 0}; break;
    case ':':
    case '$':
    case '*': {
      const auto value = number(line);
      if (!value) return fail("a length or an integer is no number");
      if (from[0] == '$') return bulk(*value, line_end + 1);
      if (from[0] == ':') {
        reply = {Reply::Type::integer, {}, *value};
      } else {
        if (*value < -1 || *value > kLargestArray) return fail("an array is larger than any answer");
        reply = {*value < 0 ? Reply::Type::null : Reply::Type::array, {}, *value};
      }
      break;
    }
    default: return fail("a reply is of no known type");
  }
  begin_ += line_end + 1;
  return reply;
}

// `body`: where its bytes begin, behind the reply's own begin.
std::optional<Reply> ReplyReader::bulk(std::int64_t size, std::size_t body) {
  if (size == -1) {
    begin_ += body;
    return Reply{Reply::Type::null, {}, 0};
  }
  if (size < 0 || size > static_cast<std::int64_t>(kLongestReply) - 32)
    return fail("a bulk string is larger than any answer");
  const auto length = static_cast<std::size_t>(size);
  if (end_ - begin_ < body + length + 2) return std::nullopt;
  const char* from = reinterpret_cast<const char*>(buffer_.data()) + begin_ + body;
  if (from[length] != '\r' || from[length + 1] != '\n') return fail("a bulk string does not end where it says");
  begin_ += body + length + 2;
  return Reply{Reply::Type::bulk, {from, length}, 0};
}

}  // namespace deltaforge::sinks::redis
