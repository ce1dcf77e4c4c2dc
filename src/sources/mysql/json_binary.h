// MySQL's binary JSON, as row events carry JSON columns, and its text: to the byte what the server's SELECT prints.
//
// A document is a type byte and a value; nothing at all is `null`. Everything is little-endian:
//   container  count, size (2 bytes each in a small container, 4 in a large one); of an object `count` times
//              {offset of the key, its length u16}; `count` times {type u8, offset of the value or the value itself};
//              then keys and values, in any order and with holes. Offsets count from the container's first byte.
//   text       length (7 bits a byte, the lowest first), UTF-8
//   opaque     column type u8, length as above, bytes: an SQL value that JSON has no type for
//
// The work and the text are bounded by the size of the document, whatever it says about itself: values lie inside
// their container, containers nest at most kJsonDepth deep, and all that is read may not exceed what is stored.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/pages.h"

namespace deltaforge::sources::mysql {

// The document's text, in `to`. Any thread.
Result<std::string_view> print_json(Bytes binary, Pages& to);

// What follows serves json_diff as well.

inline constexpr unsigned kJsonDepth = 100;  // containers around a value; the server's own limit

enum class JsonType : std::uint8_t {
  small_object,
  large_object,
  small_array,
  large_array,
  literal,
  int16,
  uint16,
  int32,
  uint32,
  int64,
  uint64,
  real,
  text,
  opaque = 15,
};

// Its bytes reach from its first one to the end of what contains it. Those of an inlined value are its entry's.
struct JsonValue {
  JsonType type = JsonType::literal;
  Bytes bytes;

  bool is_container() const { return type <= JsonType::large_array; }
};

JsonValue json_root(Bytes binary);

// A container whose entries are known to lie inside it.
struct JsonContainer {
  Bytes bytes;  // exactly its size
  std::uint32_t count = 0;
  bool is_object = false;
  bool is_large = false;

  std::size_t width() const { return is_large ? 4 : 2; }
  std::size_t key_entry(std::size_t i) const { return 2 * width() + i * (width() + 2); }
  std::size_t value_entry(std::size_t i) const { return key_entry(is_object ? count : 0) + i * (width() + 1); }
  std::size_t entries_end() const { return value_entry(count); }
};

// Takes documents apart. A function that gives false leaves its result unset and the reason in failure().
class JsonReader {
 public:
  // budget: size of all documents that are read. Opening a container and spend() use it up, so that values which
  // share bytes, as the server never stores them, cannot make a small document large.
  explicit JsonReader(std::size_t budget) : budget_(budget) {}

  bool open(JsonValue, JsonContainer&);
  // i < count
  bool key(const JsonContainer&, std::uint32_t i, std::string_view&);
  bool value(const JsonContainer&, std::uint32_t i, JsonValue&);

  bool spend(Bytes);
  // Always false.
  bool fail(const char* why, Bytes at);
  bool failed_in(Bytes document) const;
  DecodeFailure failure(Bytes document) const;

 private:
  std::size_t budget_;
  const char* why_ = nullptr;
  const std::byte* where_ = nullptr;
};

// Appends text to a string. What it cannot print fails the reader.
class JsonPrinter {
 public:
  JsonPrinter(JsonReader& in, std::string& out) : in_(in), out_(out) {}

  // depth: containers around the value.
  bool value(JsonValue, unsigned depth);
  // The parts of a container. begin() fails at the limit of depth.
  bool begin(bool is_object, unsigned depth, Bytes at);
  void separate() { out_ += ", "; }
  bool key(std::string_view);
  void end(bool is_object) { out_ += is_object ? '}' : ']'; }
  // After the last value: false when the text is too long for a Value.
  bool finish();

 private:
  bool container(JsonValue, unsigned depth);
  bool scalar(JsonValue);
  bool literal(JsonValue);
  bool real(JsonValue, double);
  bool quoted(std::string_view);
  bool opaque(JsonValue, std::uint8_t column_type, Bytes data);

  JsonReader& in_;
  std::string& out_;
};

}  // namespace deltaforge::sources::mysql
