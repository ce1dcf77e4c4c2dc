// What tests of decoders share: bytes from hex, values as text.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "core/event.h"
#include "core/value.h"

namespace deltaforge::sources::mysql::testing {

// Of exact size on the heap, so that the sanitizer sees a read past the end. Blanks between the digits are skipped.
inline std::vector<std::byte> from_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  std::string digits;
  for (char c : hex)
    if (c != ' ' && c != '\n') digits += c;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  bytes.shrink_to_fit();
  return bytes;
}

inline std::string to_hex(std::string_view bytes) {
  std::string hex;
  for (unsigned char c : bytes) hex += fmt::format("{:02x}", c);
  return hex;
}

inline std::string show(const Value& value) {
  switch (value.kind()) {
    case Kind::null: return "null";
    case Kind::absent: return "absent";
    case Kind::unchanged: return "unchanged";
    case Kind::boolean: return value.as_bool() ? "true" : "false";
    case Kind::int64: return fmt::format("{}", value.as_int64());
    case Kind::uint64: return fmt::format("{}u", value.as_uint64());
    case Kind::float32: return fmt::format("{}f", static_cast<float>(value.as_real()));
    case Kind::float64: return fmt::format("{}", value.as_real());
    case Kind::bytes: return "x" + to_hex(value.as_text());
    case Kind::text: return fmt::format("'{}'", value.as_text());
    case Kind::decimal: return fmt::format("decimal {}", value.as_text());
    case Kind::json: return fmt::format("json {}", value.as_text());
    case Kind::date: return fmt::format("date {}", value.as_text());
    case Kind::time: return fmt::format("time {}", value.as_text());
    case Kind::datetime: return fmt::format("datetime {}", value.as_text());
    case Kind::timestamp: return fmt::format("timestamp {}", value.as_text());
    case Kind::array: break;
  }
  std::string items;
  for (const Value& item : value.as_array()) items += (items.empty() ? "" : " ") + show(item);
  return "[" + items + "]";
}

inline std::string show(const Image& image) {
  if (!image.present) return "-";
  std::string text;
  for (const Value& value : image.values) text += (text.empty() ? "" : ", ") + show(value);
  return text;
}

}  // namespace deltaforge::sources::mysql::testing
