// Foreign bytes and their bounds-checked reader: big-endian, as PostgreSQL writes. (MySQL's bytes are little-endian:
// sources/mysql/reader.h.)
// After the first read past the end the reader is failed: it yields zeros and empty views, ok() is false and offset()
// says where. A decoder checks ok() once, at its end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace deltaforge {

using Bytes = std::span<const std::byte>;

inline Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

static_assert(std::endian::native == std::endian::little);

template <class Number>
Number swap_bytes(Number value) {
  if constexpr (sizeof value == 8) return static_cast<Number>(__builtin_bswap64(value));
  if constexpr (sizeof value == 4) return static_cast<Number>(__builtin_bswap32(value));
  if constexpr (sizeof value == 2) return static_cast<Number>(__builtin_bswap16(value));
  return value;
}

template <class Number>
Number load_big_endian(const std::byte* from) {
  Number value;
  std::memcpy(&value, from, sizeof value);
  return swap_bytes(value);
}

template <class Number>
void store_big_endian(std::byte* to, Number value) {
  value = swap_bytes(value);
  std::memcpy(to, &value, sizeof value);
}

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  std::size_t offset() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  std::int16_t i16() { return static_cast<std::int16_t>(u16()); }
  std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }

  std::string_view text(std::size_t size) {
    if (!need(size)) return {};
    std::string_view result = as_text(bytes_.subspan(at_, size));
    at_ += size;
    return result;
  }

  // Text up to a NUL, which is consumed and not part of the result.
  std::string_view c_string() {
    const auto* begin = bytes_.data() + at_;
    const void* nul = left() == 0 ? nullptr : std::memchr(begin, 0, left());
    if (!ok_ || nul == nullptr) {
      fail();
      return {};
    }
    std::size_t size = static_cast<std::size_t>(static_cast<const std::byte*>(nul) - begin);
    std::string_view result = text(size);
    at_ += 1;
    return result;
  }

  void fail() { ok_ = false; }

 private:
  bool need(std::size_t size) {
    if (ok_ && left() >= size) return true;
    ok_ = false;
    return false;
  }

  template <class Number>
  Number number() {
    if (!need(sizeof(Number))) return 0;
    auto value = load_big_endian<Number>(bytes_.data() + at_);
    at_ += sizeof(Number);
    return value;
  }

  Bytes bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace deltaforge
