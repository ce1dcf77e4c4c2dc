// Prints decimal digits, two at a time. For hot paths; elsewhere std::to_chars.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace deltaforge {

// "00" "01" ... "99".
inline constexpr std::array<char, 200> kDigitPairs = [] {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

inline constexpr std::array<std::uint64_t, 20> kPowersOfTen = [] {
  std::array<std::uint64_t, 20> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// value < 100
inline char* put_two(char* to, std::uint64_t value) {
  std::memcpy(to, &kDigitPairs[2 * value], 2);
  return to + 2;
}

// Exactly so many digits, zeros in front; value < 10^digits.
template <class Natural>
char* put_digits(char* to, Natural value, unsigned digits) {
  char* at = to + digits;
  for (unsigned left = digits; left >= 2; left -= 2, value /= 100) put_two(at -= 2, value % 100);
  if (digits % 2 != 0) *to = static_cast<char>('0' + value);
  return to + digits;
}

// 1 to 20 digits.
inline unsigned count_digits(std::uint64_t value) {
  const unsigned about = static_cast<unsigned>(std::bit_width(value | 1)) * 1233 >> 12;  // log10(2) = 1233/4096, nearly
  return about + (value >= kPowersOfTen[about] ? 1 : 0) + (value == 0 ? 1 : 0);
}

// At most 20 characters.
inline char* put_number(char* to, std::uint64_t value) {
  return value <= UINT32_MAX ? put_digits(to, static_cast<std::uint32_t>(value), count_digits(value))
                             : put_digits(to, value, count_digits(value));
}
inline char* put_number(char* to, std::int64_t value) {
  if (value >= 0) return put_number(to, static_cast<std::uint64_t>(value));
  *to = '-';
  return put_number(to + 1, ~static_cast<std::uint64_t>(value) + 1);
}

}  // namespace deltaforge
