// RFC 4648 base64 with padding.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace deltaforge {

constexpr std::size_t base64_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }

// Into memory of the caller. Returns the end of what was written, base64_size() bytes behind `to`.
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

// Nothing when it is not such a text.
inline std::optional<std::string> read_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  unsigned group = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    unsigned digit = 0;
    if (c >= 'A' && c <= 'Z')
      digit = static_cast<unsigned>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      digit = static_cast<unsigned>(c - 'a') + 26;
    else if (c >= '0' && c <= '9')
      digit = static_cast<unsigned>(c - '0') + 52;
    else if (c == '+' || c == '/')
      digit = c == '+' ? 62 : 63;
    else if (c != '=' || i < text.size() - padding)
      return std::nullopt;
    group = group << 6 | digit;
    if (i % 4 != 3) continue;
    for (unsigned shift : {16U, 8U, 0U}) bytes += static_cast<char>(group >> shift & 255);
    group = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace deltaforge
