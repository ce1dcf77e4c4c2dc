// DECIMAL of the log: groups of nine digits in four bytes each, big-endian, a shorter first and last group; the first
// bit is inverted, and of a negative number every bit.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/pages.h"
#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {

inline constexpr unsigned kDecimalDigits = 65, kDecimalScale = 38;  // the servers' own limits: MySQL has scale 30

// The exact text, always with `scale` digits behind the point. False: the bytes end early or are no decimal number.
// precision <= kDecimalDigits, scale <= precision.
bool read_decimal(Reader&, unsigned precision, unsigned scale, Pages&, std::string_view& text);

}  // namespace deltaforge::sources::mysql
