#include "sources/mysql/json_binary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <functional>
#include <iterator>

#include "base/utf8.h"
#include "sources/mysql/decimal.h"
#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {
namespace {

// A Value's size is 32 bits.
constexpr std::size_t kMaxText = UINT32_MAX;
// What the buffer of a thread keeps for the next document.
constexpr std::size_t kKeptBuffer = 1 << 20;

// The column types that opaque values name, as far as they have a text of their own.
constexpr std::uint8_t kTimestamp = 7, kDate = 10, kTime = 11, kDatetime = 12, kDecimal = 246;

bool is_inlined(JsonType type, bool is_large) {
  switch (type) {
    case JsonType::literal:
    case JsonType::int16:
    case JsonType::uint16: return true;
    case JsonType::int32:
    case JsonType::uint32: return is_large;
    default: return false;
  }
}

// A count, size or offset of a container.
std::size_t read_size(Reader& in, bool is_large) { return is_large ? in.u32() : in.u16(); }

// The length in front of text and of opaque bytes; at most 5 bytes for 32 bits.
std::size_t read_length(Reader& in) {
  std::uint64_t length = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    std::uint8_t byte = in.u8();
    length |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return static_cast<std::size_t>(length);
  }
  in.fail();
  return 0;
}

template <class Number>
void append_number(std::string& out, Number number) {
  char text[24];
  out.append(text, std::to_chars(text, std::end(text), number).ptr);
}

// The shortest digits that read back as the same double. The server writes an exponent when more than 14 zeros would
// stand in front of them, or when the decimal point would stand behind them all and behind more than 15 places; and it
// lets no number look like an integer.
void append_real(std::string& out, double number) {
  char text[32];
  const char* end = std::to_chars(text, std::end(text), number, std::chars_format::scientific).ptr;
  const char* mark = std::find(static_cast<const char*>(text), end, 'e');
  const char* first = text;
  if (*first == '-') out += *first++;
  int exponent = 0;
  std::from_chars(mark[1] == '+' ? mark + 2 : mark + 1, end, exponent);

  char digits[24];
  char* last = std::copy_if(first, mark, digits, [](char c) { return c != '.'; });
  const auto count = static_cast<int>(last - digits);
  const int point = exponent + 1;  // digits before it
  if (point < -14 || (point > 15 && point >= count)) {
    out.append(first, mark).append(1, 'e');
    append_number(out, exponent);
  } else if (point <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-point), '0').append(digits, last);
  } else if (count <= point) {
    out.append(digits, last).append(static_cast<std::size_t>(point - count), '0').append(".0");
  } else {
    out.append(digits, digits + point).append(1, '.').append(digits + point, last);
  }
}

// Base64 as the server's own function makes it: a line break behind each 76 digits that more follow. Inside a JSON
// text the break is escaped.
void append_base64(std::string& out, Bytes bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    if (at != 0 && at % 57 == 0) out += "\\n";
    auto byte = [&](std::size_t i) { return at + i < bytes.size() ? std::to_integer<unsigned>(bytes[at + i]) : 0; };
    const unsigned group = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += kDigits[group >> 18];
    out += kDigits[group >> 12 & 63];
    out += at + 1 < bytes.size() ? kDigits[group >> 6 & 63] : '=';
    out += at + 2 < bytes.size() ? kDigits[group & 63] : '=';
  }
}

// The server's packed time: [sign] hours and what is above them, minutes 6 bits, seconds 6, microseconds 24.
struct PackedTime {
  bool negative;
  std::uint64_t above, minute, second, micros;  // above: days and hours in units of an hour

  explicit PackedTime(Bytes data) {
    const auto packed = static_cast<std::int64_t>(Reader(data).u64());
    negative = packed < 0;
    const std::uint64_t size = negative ? -static_cast<std::uint64_t>(packed) : static_cast<std::uint64_t>(packed);
    micros = size & 0xFFFFFF;
    second = size >> 24 & 63;
    minute = size >> 30 & 63;
    above = size >> 36;
  }
  bool is_valid() const { return minute < 60 && second < 60 && micros < 1'000'000; }
};

bool append_time(std::string& out, Bytes data) {
  const PackedTime time(data);
  const std::uint64_t hour = time.above & 1023;
  if (data.size() != 8 || !time.is_valid() || time.above > 1023) return false;
  fmt::format_to(std::back_inserter(out), "\"{}{:02}:{:02}:{:02}.{:06}\"", time.negative ? "-" : "", hour, time.minute,
                 time.second, time.micros);
  return true;
}

bool append_datetime(std::string& out, Bytes data, bool has_time) {
  const PackedTime time(data);
  const std::uint64_t hour = time.above & 31, day = time.above >> 5 & 31, months = time.above >> 10;
  if (data.size() != 8 || !time.is_valid() || time.negative || hour > 23 || months / 13 > 9999) return false;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "\"{:04}-{:02}-{:02}", months / 13, months % 13, day);
  if (has_time) fmt::format_to(to, " {:02}:{:02}:{:02}.{:06}", hour, time.minute, time.second, time.micros);
  out += '"';
  return true;
}

bool append_decimal(std::string& out, Bytes data) {
  Reader in(data);
  const unsigned precision = in.u8(), scale = in.u8();  // may be rounded up: more digits than a column can have
  if (!in.ok() || precision == 0 || scale > precision || in.left() != decimal_size(precision, scale)) return false;
  DecimalRoom room;
  const std::string_view text = print_decimal(in.rest(), precision, scale, room);
  out += text;
  return !text.empty();
}

// For each byte of a text: 0 stands for itself, 1 starts a sequence of UTF-8, another is escaped: 'u' or a letter.
constexpr auto kEscapes = [] {
  std::array<char, 256> table{};
  for (std::size_t i = 0; i < 0x20; ++i) table[i] = 'u';
  for (std::size_t i = 0x80; i < 256; ++i) table[i] = 1;
  table['"'] = '"', table['\\'] = '\\', table['\b'] = 'b', table['\f'] = 'f', table['\n'] = 'n', table['\r'] = 'r',
  table['\t'] = 't';
  return table;
}();

}  // namespace

JsonValue json_root(Bytes binary) {
  static constexpr std::byte kNull[] = {std::byte{0}};
  if (binary.empty()) return {JsonType::literal, kNull};
  return {static_cast<JsonType>(binary[0]), binary.subspan(1)};
}

bool JsonReader::open(JsonValue value, JsonContainer& container) {
  container.is_object = value.type == JsonType::small_object || value.type == JsonType::large_object;
  container.is_large = value.type == JsonType::large_object || value.type == JsonType::large_array;
  Reader in(value.bytes);
  container.count = static_cast<std::uint32_t>(read_size(in, container.is_large));
  const std::size_t size = read_size(in, container.is_large);
  if (!in.ok() || size > value.bytes.size())
    return fail("a JSON container passes the end of what holds it", value.bytes);
  if (container.entries_end() > size) return fail("the entries of a JSON container pass its end", value.bytes);
  container.bytes = value.bytes.first(size);
  return spend(container.bytes.first(container.entries_end()));
}

bool JsonReader::key(const JsonContainer& container, std::uint32_t i, std::string_view& key) {
  const Bytes entry = container.bytes.subspan(container.key_entry(i), container.width() + 2);
  Reader in(entry);
  const std::size_t offset = read_size(in, container.is_large);
  const std::size_t length = in.u16();
  if (offset < container.entries_end() || offset + length > container.bytes.size())
    return fail("a JSON key lies outside of its object", entry);
  key = as_text(container.bytes.subspan(offset, length));
  return true;
}

bool JsonReader::value(const JsonContainer& container, std::uint32_t i, JsonValue& value) {
  const Bytes entry = container.bytes.subspan(container.value_entry(i), container.width() + 1);
  value.type = static_cast<JsonType>(entry[0]);
  value.bytes = entry.subspan(1);
  if (is_inlined(value.type, container.is_large)) return true;
  Reader in(value.bytes);
  const std::size_t offset = read_size(in, container.is_large);
  if (offset < container.entries_end() || offset >= container.bytes.size())
    return fail("a JSON value lies outside of its container", entry);
  value.bytes = container.bytes.subspan(offset);
  return true;
}

bool JsonReader::spend(Bytes bytes) {
  if (bytes.size() > budget_) return fail("values of a JSON document overlap", bytes);
  budget_ -= bytes.size();
  return true;
}

bool JsonReader::fail(const char* why, Bytes at) {
  why_ = why;
  where_ = at.data();
  return false;
}

bool JsonReader::failed_in(Bytes document) const {
  return !std::less<>()(where_, document.data()) && !std::less<>()(document.data() + document.size(), where_);
}

DecodeFailure JsonReader::failure(Bytes document) const {
  return {why_, failed_in(document) ? static_cast<std::size_t>(where_ - document.data()) : 0};
}

bool JsonPrinter::finish() {
  return out_.size() <= kMaxText || in_.fail("the text of a JSON document is longer than 4 GiB", {});
}

bool JsonPrinter::value(JsonValue value, unsigned depth) {
  return value.is_container() ? container(value, depth) : scalar(value);
}

bool JsonPrinter::begin(bool is_object, unsigned depth, Bytes at) {
  if (depth >= kJsonDepth) return in_.fail("a JSON document is nested more than 100 deep", at);
  out_ += is_object ? '{' : '[';
  return true;
}

bool JsonPrinter::key(std::string_view key) {
  if (!in_.spend(as_bytes(key)) || !quoted(key)) return false;
  out_ += ": ";
  return true;
}

bool JsonPrinter::container(JsonValue stored, unsigned depth) {
  JsonContainer container;
  if (!in_.open(stored, container) || !begin(container.is_object, depth, stored.bytes)) return false;
  for (std::uint32_t i = 0; i < container.count; ++i) {
    if (i != 0) separate();
    std::string_view name;
    if (container.is_object && !(in_.key(container, i, name) && key(name))) return false;
    JsonValue item;
    if (!in_.value(container, i, item) || !value(item, depth + 1)) return false;
  }
  end(container.is_object);
  return true;
}

bool JsonPrinter::scalar(JsonValue value) {
  Reader in(value.bytes);
  switch (value.type) {
    case JsonType::literal: return literal(value);
    case JsonType::int16: append_number(out_, static_cast<std::int16_t>(in.u16())); break;
    case JsonType::uint16: append_number(out_, in.u16()); break;
    case JsonType::int32: append_number(out_, static_cast<std::int32_t>(in.u32())); break;
    case JsonType::uint32: append_number(out_, in.u32()); break;
    case JsonType::int64: append_number(out_, static_cast<std::int64_t>(in.u64())); break;
    case JsonType::uint64: append_number(out_, in.u64()); break;
    case JsonType::real:
      if (!real(value, std::bit_cast<double>(in.u64()))) return false;
      break;
    case JsonType::text:
    case JsonType::opaque: {
      const std::uint8_t column_type = value.type == JsonType::opaque ? in.u8() : std::uint8_t{0};
      const Bytes data = in.bytes(read_length(in));
      if (!in.ok()) break;
      if (!in_.spend(data)) return false;
      return value.type == JsonType::text ? quoted(as_text(data)) : opaque(value, column_type, data);
    }
    default: return in_.fail("a JSON value of an unknown type", value.bytes);
  }
  return in.ok() || in_.fail("a JSON value passes the end of what holds it", value.bytes);
}

bool JsonPrinter::literal(JsonValue value) {
  static constexpr std::array<std::string_view, 3> kLiterals{"null", "true", "false"};
  const std::size_t which = Reader(value.bytes).u8();
  if (value.bytes.empty() || which >= kLiterals.size()) return in_.fail("an unknown JSON literal", value.bytes);
  out_ += kLiterals[which];
  return true;
}

bool JsonPrinter::real(JsonValue value, double number) {
  if (number - number != 0) return in_.fail("a JSON number is not finite", value.bytes);
  append_real(out_, number);
  return true;
}

bool JsonPrinter::quoted(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  out_ += '"';
  while (at != end) {
    const char* plain = at;
    while (at != end && kEscapes[static_cast<unsigned char>(*at)] == 0) ++at;
    out_.append(plain, at);
    if (at == end) break;
    const char escape = kEscapes[static_cast<unsigned char>(*at)];
    if (escape == 1) {
      const std::size_t length = utf8_sequence(at, end);
      if (length == 0) return in_.fail("a JSON text is not UTF-8", as_bytes({at, 1}));
      out_.append(at, length);
      at += length;
      continue;
    }
    const char sequence[] = {'\\', escape, '0', '0', static_cast<char>('0' + (*at >> 4)), "0123456789abcdef"[*at & 15]};
    out_.append(sequence, escape == 'u' ? 6 : 2);
    ++at;
  }
  out_ += '"';
  return true;
}

bool JsonPrinter::opaque(JsonValue value, std::uint8_t column_type, Bytes data) {
  bool ok = true;
  switch (column_type) {
    case kDecimal: ok = append_decimal(out_, data); break;
    case kTime: ok = append_time(out_, data); break;
    case kDate: ok = append_datetime(out_, data, false); break;
    case kDatetime:
    case kTimestamp: ok = append_datetime(out_, data, true); break;
    default:
      out_ += "\"base64:type";
      append_number(out_, column_type);
      out_ += ':';
      append_base64(out_, data);
      out_ += '"';
  }
  return ok || in_.fail("an SQL value inside of JSON is malformed", value.bytes);
}

Result<std::string_view> print_json(Bytes binary, Pages& to) {
  thread_local std::string text;  // keeps its memory: no allocation per row
  text.clear();
  JsonReader in(binary.size());
  JsonPrinter printer(in, text);
  if (!printer.value(json_root(binary), 0) || !printer.finish()) return in.failure(binary);
  std::string_view result = to.copy(text);
  if (text.capacity() > kKeptBuffer) std::string().swap(text);
  return result;
}

}  // namespace deltaforge::sources::mysql
