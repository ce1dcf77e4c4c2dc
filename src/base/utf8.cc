#include "base/utf8.h"

namespace deltaforge {

std::size_t utf8_sequence(const char* at, const char* end) {
  auto byte = [at](std::size_t i) { return static_cast<unsigned char>(at[i]); };
  auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  const auto left = static_cast<std::size_t>(end - at);
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first < 0xE0) return left >= 2 && follows(1) ? 2 : 0;
  if (first < 0xF0) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80, high = first == 0xED ? 0x9F : 0xBF;
    return left >= 3 && follows(1, low, high) && follows(2) ? 3 : 0;
  }
  const unsigned low = first == 0xF0 ? 0x90 : 0x80, high = first == 0xF4 ? 0x8F : 0xBF;
  return left >= 4 && follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
}

std::size_t utf8_prefix(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    if (static_cast<signed char>(*at) >= 0) {
      ++at;
    } else if (std::size_t length = utf8_sequence(at, end); length != 0) {
      at += length;
    } else {
      break;
    }
  }
  return static_cast<std::size_t>(at - text.data());
}

}  // namespace deltaforge
