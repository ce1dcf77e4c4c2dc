// DECIMAL of the log: groups of nine digits in four bytes each, big-endian, a shorter first and last group; the first
// bit is inverted, and of a negative number every bit.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"

namespace deltaforge::sources::mysql {

inline constexpr unsigned kDecimalDigits = 65, kDecimalScale = 38;  // the servers' own limits: MySQL has scale 30

using DecimalRoom = std::array<char, 255 + 3>;  // a sign, a zero before the point, the point, the digits

// In the log.
unsigned decimal_size(unsigned precision, unsigned scale);
// The exact text, always with `scale` digits behind the point; empty: no decimal number. It lies in `room`.
// `bytes` are as many as decimal_size() says; 0 < precision <= 255, scale <= precision.
std::string_view print_decimal(Bytes bytes, unsigned precision, unsigned scale, DecimalRoom& room);

}  // namespace deltaforge::sources::mysql
