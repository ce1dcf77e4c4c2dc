#include "sources/mysql/decimal.h"

#include <array>

#include "base/digits.h"

namespace deltaforge::sources::mysql {
namespace {

constexpr unsigned kGroup = 9;
constexpr std::array<unsigned, kGroup + 1> kBytesOf{0, 1, 1, 2, 2, 3, 3, 4, 4, 4};

// The groups of one number, one after the other, as digits at `to`.
class Groups {
 public:
  Groups(Bytes bytes, bool negative, char* to) : at_(bytes.data()), flips_(negative ? ~0u : 0), to_(to) {}

  void add(unsigned digits) {
    const unsigned bytes = kBytesOf[digits];
    std::uint32_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned>(*at_++);
    value ^= flips_ >> (32 - 8 * bytes);
    if (first_) value ^= 0x80u << (8 * bytes - 8);
    first_ = false;
    ok_ = ok_ && value < kPowersOfTen[digits];
    to_ = put_digits(to_, ok_ ? value : 0, digits);
  }

  void put(char c) { *to_++ = c; }

  bool ok() const { return ok_; }
  char* end() const { return to_; }

 private:
  const std::byte* at_;
  const std::uint32_t flips_;
  char* to_;
  bool first_ = true;
  bool ok_ = true;
};

unsigned bytes_of(unsigned digits) { return digits / kGroup * 4 + kBytesOf[digits % kGroup]; }

}  // namespace

unsigned decimal_size(unsigned precision, unsigned scale) { return bytes_of(precision - scale) + bytes_of(scale); }

std::string_view print_decimal(Bytes bytes, unsigned precision, unsigned scale, DecimalRoom& room) {
  const unsigned whole = precision - scale;
  const bool negative = (static_cast<unsigned>(bytes[0]) & 0x80) == 0;
  char* const digits = room.data() + 2;  // behind a sign, and a zero when there are no whole digits
  Groups groups(bytes, negative, digits);
  if (whole % kGroup != 0) groups.add(whole % kGroup);
  for (unsigned i = 0; i < whole / kGroup; ++i) groups.add(kGroup);
  char* const point = groups.end();
  if (scale != 0) groups.put('.');
  for (unsigned i = 0; i < scale / kGroup; ++i) groups.add(kGroup);
  if (scale % kGroup != 0) groups.add(scale % kGroup);
  if (!groups.ok()) return {};

  char* start = digits;
  while (start < point && *start == '0') ++start;
  if (start == point) *--start = '0';
  if (negative) *--start = '-';
  return {start, groups.end()};
}

}  // namespace deltaforge::sources::mysql
