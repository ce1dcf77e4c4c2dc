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

bool read_decimal(Reader& in, unsigned precision, unsigned scale, Pages& pages, std::string_view& text) {
  unsigned whole = precision - scale;
  Bytes bytes = in.bytes(bytes_of(whole) + bytes_of(scale));
  if (bytes.empty()) return false;
  bool negative = (static_cast<unsigned>(bytes[0]) & 0x80) == 0;

  // A sign, a zero when there are no whole digits, the digits, a point.
  char buffer[kDecimalDigits + 3];
  char* digits = buffer + 2;
  Groups groups(bytes, negative, digits);
  if (whole % kGroup != 0) groups.add(whole % kGroup);
  for (unsigned i = 0; i < whole / kGroup; ++i) groups.add(kGroup);
  char* point = groups.end();
  for (unsigned i = 0; i < scale / kGroup; ++i) groups.add(kGroup);
  if (scale % kGroup != 0) groups.add(scale % kGroup);
  if (!groups.ok()) return false;

  char* start = digits;
  while (start < point && *start == '0') ++start;
  if (start == point) *--start = '0';
  if (negative) *--start = '-';
  std::size_t before = static_cast<std::size_t>(point - start), size = before + (scale != 0 ? scale + 1 : 0);
  char* to = reinterpret_cast<char*>(pages.allocate(size, 1));
  text = {to, size};
  std::memcpy(to, start, before);
  if (scale != 0) {
    to[before] = '.';
    std::memcpy(to + before + 1, point, scale);
  }
  return true;
}

}  // namespace deltaforge::sources::mysql
