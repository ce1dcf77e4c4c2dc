#include "sources/postgres/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace deltaforge::sources::postgres {
namespace {

using Text = std::span<char>;

std::string_view view(Text text) { return {text.data(), text.size()}; }

Value as(Kind kind, Text text) { return Value::of_text(kind, view(text)); }

template <class Number>
bool parse(Text text, Number& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_infinite(Text text) { return view(text) == "infinity" || view(text) == "-infinity"; }

bool ends_with_bc(Text text) { return view(text).ends_with(" BC"); }

// "2024-02-29 12:00:00" -> "2024-02-29T12:00:00". False when there is no time of day.
bool join_with_t(Text text) {
  auto blank = std::ranges::find(text, ' ');
  if (blank == text.end() || blank == text.begin() || text.end() - blank < 9) return false;
  *blank = 'T';
  return true;
}

constexpr auto kHex = [] {
  std::array<std::int8_t, 256> table{};
  for (auto& entry : table) entry = -1;
  for (int i = 0; i < 10; ++i) table[static_cast<std::size_t>('0' + i)] = static_cast<std::int8_t>(i);
  for (int i = 0; i < 6; ++i) {
    table[static_cast<std::size_t>('a' + i)] = static_cast<std::int8_t>(10 + i);
    table[static_cast<std::size_t>('A' + i)] = static_cast<std::int8_t>(10 + i);
  }
  return table;
}();

}  // namespace

bool decode_text(const Type&, Text text, Scratch&, Value& out) {
  out = as(Kind::text, text);
  return true;
}

bool decode_bool(const Type&, Text text, Scratch&, Value& out) {
  if (text.size() != 1 || (text[0] != 't' && text[0] != 'f')) return false;
  out = Value::boolean(text[0] == 't');
  return true;
}

bool decode_int(const Type&, Text text, Scratch&, Value& out) {
  std::int64_t number = 0;
  if (!parse(text, number)) return false;
  out = Value::int64(number);
  return true;
}

// NaN and the infinities are words, as the text of any value is that no JSON number can hold.
bool decode_float4(const Type&, Text text, Scratch&, Value& out) {
  float number = 0;
  bool is_word = text.empty() || text.back() > '9';
  if (!is_word && !parse(text, number)) return false;
  out = is_word ? as(Kind::text, text) : Value::float32(number);
  return !text.empty();
}

bool decode_float8(const Type&, Text text, Scratch&, Value& out) {
  double number = 0;
  bool is_word = text.empty() || text.back() > '9';
  if (!is_word && !parse(text, number)) return false;
  out = is_word ? as(Kind::text, text) : Value::float64(number);
  return !text.empty();
}

bool decode_numeric(const Type&, Text text, Scratch&, Value& out) {
  out = as(Kind::decimal, text);
  return !text.empty();
}

bool decode_json(const Type&, Text text, Scratch&, Value& out) {
  out = as(Kind::json, text);
  return !text.empty();
}

bool decode_bytea(const Type&, Text text, Scratch&, Value& out) {
  if (text.size() < 2 || text.size() % 2 != 0 || text[0] != '\\' || text[1] != 'x') return false;
  char* to = text.data();
  int bad = 0;
  for (std::size_t at = 2; at < text.size(); at += 2) {
    int high = kHex[static_cast<unsigned char>(text[at])];
    int low = kHex[static_cast<unsigned char>(text[at + 1])];
    bad |= high | low;
    *to++ = static_cast<char>((high & 15) << 4 | (low & 15));
  }
  out = as(Kind::bytes, {text.data(), to});
  return bad >= 0;
}

// Before PostgreSQL 16 a byte above 127 comes as it is, which is no UTF-8; from 16 on as \ooo. Both give the latter.
bool decode_char(const Type&, Text text, Scratch& scratch, Value& out) {
  out = as(Kind::text, text);
  if (text.size() != 1 || static_cast<unsigned char>(text[0]) < 128) return text.size() <= 4;
  auto byte = static_cast<unsigned char>(text[0]);
  char octal[4] = {'\\', static_cast<char>('0' + (byte >> 6)), static_cast<char>('0' + (byte >> 3 & 7)),
                   static_cast<char>('0' + (byte & 7))};
  out = Value::of_text(Kind::text, scratch.pages->copy({octal, sizeof octal}));
  return true;
}

// Infinities and dates before Christ have no ISO 8601 form that everybody reads: they are plain text.
bool decode_date(const Type&, Text text, Scratch&, Value& out) {
  bool plain = is_infinite(text) || ends_with_bc(text);
  out = as(plain ? Kind::text : Kind::date, text);
  return plain || text.size() >= 10;
}

bool decode_time(const Type&, Text text, Scratch&, Value& out) {
  out = as(Kind::time, text);
  return text.size() >= 8;
}

bool decode_datetime(const Type&, Text text, Scratch&, Value& out) {
  bool plain = is_infinite(text) || ends_with_bc(text);
  out = as(plain ? Kind::text : Kind::datetime, text);
  return is_infinite(text) || join_with_t(text);
}

bool decode_timestamp(const Type&, Text text, Scratch&, Value& out) {
  if (is_infinite(text)) {
    out = as(Kind::text, text);
    return true;
  }
  bool bc = ends_with_bc(text);
  std::size_t zone = text.size() - (bc ? 3 : 0);
  if (zone < 3 || view(text).substr(zone - 3, 3) != "+00" || !join_with_t(text)) return false;
  text[zone - 3] = 'Z';
  if (bc) std::memcpy(text.data() + zone - 2, " BC", 3);
  out = as(bc ? Kind::text : Kind::timestamp, text.first(text.size() - 2));
  return true;
}

}  // namespace deltaforge::sources::postgres
