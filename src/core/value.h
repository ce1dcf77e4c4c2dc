// One column value: 16 bytes, trivially copyable, pointing into the pages of its batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

namespace deltaforge {

enum class Kind : std::uint8_t {
  null,
  absent,     // not logged (key-only before-image, column list): left out of the image
  unchanged,  // TOAST value that the log does not repeat: {"_unchanged":true}
  boolean,
  int64,
  uint64,
  float32,  // finite; NaN and the infinities are text
  float64,
  decimal,    // text: exact digits, or NaN, Infinity, -Infinity
  text,       // UTF-8
  bytes,      // {"_base64":"..."}
  json,       // UTF-8 text that the database has verified; emitted as it is
  date,       // text, ISO 8601: 2024-02-29
  time,       // text: 23:59:59.5, also with offset
  datetime,   // text without zone: 2024-02-29T12:00:00.5
  timestamp,  // text in UTC: 2024-02-29T12:00:00.5Z
  array,      // of Value
};

class Value {
 public:
  Value() = default;  // null
  static Value of_kind(Kind kind) { return {kind, 0, {.integer = 0}}; }
  static Value null() { return of_kind(Kind::null); }
  static Value absent() { return of_kind(Kind::absent); }
  static Value unchanged() { return of_kind(Kind::unchanged); }
  static Value boolean(bool v) { return {Kind::boolean, 0, {.integer = v}}; }
  static Value int64(std::int64_t v) { return {Kind::int64, 0, {.integer = v}}; }
  static Value uint64(std::uint64_t v) { return {Kind::uint64, 0, {.natural = v}}; }
  static Value float32(float v) { return {Kind::float32, 0, {.real = v}}; }
  static Value float64(double v) { return {Kind::float64, 0, {.real = v}}; }
  // The kinds that are text or bytes. `text` must live as long as the batch.
  static Value of_text(Kind kind, std::string_view text) {
    return {kind, static_cast<std::uint32_t>(text.size()), {.text = text.data()}};
  }
  static Value array(std::span<const Value> items) {
    return {Kind::array, static_cast<std::uint32_t>(items.size()), {.items = items.data()}};
  }

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool as_bool() const { return payload_.integer != 0; }
  std::int64_t as_int64() const { return payload_.integer; }
  std::uint64_t as_uint64() const { return payload_.natural; }
  double as_real() const { return payload_.real; }
  std::string_view as_text() const { return {payload_.text, size_}; }
  std::span<const Value> as_array() const { return {payload_.items, size_}; }

 private:
  union Payload {
    std::int64_t integer;
    std::uint64_t natural;
    double real;
    const char* text;
    const Value* items;
  };
  Value(Kind kind, std::uint32_t size, Payload payload) : kind_(kind), size_(size), payload_(payload) {}

  Kind kind_ = Kind::null;
  std::uint32_t size_ = 0;
  Payload payload_{.integer = 0};
};

static_assert(sizeof(Value) == 16);

inline bool operator==(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::null:
    case Kind::absent:
    case Kind::unchanged: return true;
    case Kind::boolean:
    case Kind::int64:
    case Kind::uint64: return a.as_uint64() == b.as_uint64();
    case Kind::float32:
    case Kind::float64: return a.as_real() == b.as_real();
    case Kind::array: return std::ranges::equal(a.as_array(), b.as_array());
    default: return a.as_text() == b.as_text();
  }
}

}  // namespace deltaforge
