// RFC 4648 base64 with padding, into memory of the caller.
#pragma once

#include <cstddef>
#include <string_view>

namespace deltaforge {

constexpr std::size_t base64_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }

// Returns the end of what was written, base64_size() bytes behind `to`.
inline char* print_base64(std::string_view bytes, char* to) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto byte = [&bytes](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(bytes[i])); };
  std::size_t at = 0;
  for (; at + 3 <= bytes.size(); at += 3) {
    unsigned group = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
    *to++ = kDigits[group >> 18];
    *to++ = kDigits[group >> 12 & 63];
    *to++ = kDigits[group >> 6 & 63];
    *to++ = kDigits[group & 63];
  }
  std::size_t left = bytes.size() - at;
  if (left == 0) return to;
  unsigned group = byte(at) << 16 | (left == 2 ? byte(at + 1) << 8 : 0);
  *to++ = kDigits[group >> 18];
  *to++ = kDigits[group >> 12 & 63];
  *to++ = left == 2 ? kDigits[group >> 6 & 63] : '=';
  *to++ = '=';
  return to;
}

}  // namespace deltaforge
