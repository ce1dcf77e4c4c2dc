// What the servers' character sets mean, as the servers themselves say: made from information_schema.COLLATIONS and
// CONVERT(... USING utf32) of MySQL 9.7 and MariaDB 10.11, which agree wherever both have an answer.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace deltaforge::sources::mysql {

// Collations first..last (ids below 1024) belong to one character set. Sorted.
struct CollationRange {
  std::uint16_t first, last;
  std::string_view charset;
};
std::span<const CollationRange> collation_ranges();

// A character set of one byte each, whose lower half is ASCII. `high` has 128 characters from 0x80 on, or 96 from 0xA0
// on when 0x80..0x9F are the controls of the same number. kNoCharacter: the byte means nothing.
struct SingleByteTable {
  std::string_view charset;
  std::u16string_view high;
};
inline constexpr char16_t kNoCharacter = u'#';
std::span<const SingleByteTable> single_byte_tables();

// Where iconv differs from the servers: the bytes of one character, big-endian, and what it is. Sorted.
struct Patch {
  std::uint32_t code;
  char16_t character;
};
std::span<const Patch> big5_patches();
std::span<const Patch> sjis_patches();
std::span<const Patch> ujis_patches();
std::span<const Patch> gb18030_patches();

// Big5 0xC6A1..0xC7FC in the order of their codes: kana, Cyrillic and numbers, which iconv takes for private
// characters.
std::u16string_view big5_extension();

}  // namespace deltaforge::sources::mysql
