// The bounds-checked reader of MySQL's bytes: little-endian, unlike base/bytes.h. After the first read past the end it
// is failed: it yields zeros and empty views, ok() is false. A decoder checks ok() once, at its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/bytes.h"

namespace deltaforge::sources::mysql {

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  std::size_t offset() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  std::uint8_t u8() { return static_cast<std::uint8_t>(natural<1>()); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(natural<2>()); }
  std::uint32_t u24() { return static_cast<std::uint32_t>(natural<3>()); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(natural<4>()); }
  std::uint64_t u48() { return natural<6>(); }
  std::uint64_t u64() { return natural<8>(); }

  // Little-endian, 1 to 8 bytes.
  template <std::size_t width>
  std::uint64_t natural() {
    if (!need(width)) return 0;
    std::uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + at_, width);
    at_ += width;
    return value;
  }
  std::uint64_t natural(std::size_t width) {
    switch (width) {
      case 1: return natural<1>();
      case 2: return natural<2>();
      case 3: return natural<3>();
      case 4: return natural<4>();
      case 5: return natural<5>();
      case 6: return natural<6>();
      case 7: return natural<7>();
      default: return natural<8>();
    }
  }

  // MySQL's length-encoded integer. 0xFB (NULL in the text protocol) and 0xFF are none.
  std::uint64_t packed() {
    switch (std::uint8_t first = u8()) {
      case 0xFC: return natural<2>();
      case 0xFD: return natural<3>();
      case 0xFE: return natural<8>();
      case 0xFB:
      case 0xFF: fail(); return 0;
      default: return first;
    }
  }

  Bytes bytes(std::size_t size) {
    if (!need(size)) return {};
    Bytes result = bytes_.subspan(at_, size);
    at_ += size;
    return result;
  }
  std::string_view text(std::size_t size) { return as_text(bytes(size)); }
  std::string_view packed_text() { return text(static_cast<std::size_t>(packed())); }
  Bytes rest() { return bytes(left()); }
  void skip(std::size_t size) { bytes(size); }
  void fail() { ok_ = false; }

 private:
  bool need(std::size_t size) {
    if (ok_ && left() >= size) return true;
    ok_ = false;
    return false;
  }

  Bytes bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace deltaforge::sources::mysql
