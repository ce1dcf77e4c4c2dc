#include "sinks/nats/ack.h"

#include <charconv>
#include <optional>

#include "base/bytes.h"
#include "base/hash.h"
#include "encode/json_member.h"

namespace deltaforge::sinks::nats {
namespace {

std::optional<std::uint64_t> number(std::optional<std::string_view> text) {
  std::uint64_t value = 0;
  if (!text || text->empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

// Without its quotes; empty when it is no string.
std::string_view string(std::optional<std::string_view> text) {
  if (!text || text->size() < 2 || text->front() != '"' || text->back() != '"') return {};
  return text->substr(1, text->size() - 2);
}

Ack refusal(std::string_view error) {
  Ack ack;
  ack.kind = Ack::Kind::refused;
  // Servers before 2.2 have no err_code.
  const auto code = number(encode::json_member(error, "err_code"));
  ack.code = code && *code <= UINT32_MAX ? static_cast<std::uint32_t>(*code) : 0;
  ack.text = string(encode::json_member(error, "description"));
  return ack;
}

}  // namespace

Ack parse_ack(std::string_view json) {
  if (const auto error = encode::json_member(json, "error"); error && error->starts_with('{')) [[unlikely]]
    return refusal(*error);
  Ack ack;
  const auto seq = number(encode::json_member(json, "seq"));
  const std::string_view stream = string(encode::json_member(json, "stream"));
  if (!seq || stream.empty()) return ack;
  const bool duplicate = encode::json_member(json, "duplicate") == "true";
  if (*seq == 0 && !duplicate) return ack;
  ack.kind = duplicate ? Ack::Kind::duplicate : Ack::Kind::stored;
  ack.seq = *seq;
  ack.stream = stream_hash(stream);
  return ack;
}

std::uint64_t stream_hash(std::string_view name) { return xxh3_64(as_bytes(name)); }

std::uint64_t reply_number(std::string_view subject) {
  const std::size_t dot = subject.rfind('.');
  if (dot == std::string_view::npos) return 0;
  return number(subject.substr(dot + 1)).value_or(0);
}

}  // namespace deltaforge::sinks::nats
