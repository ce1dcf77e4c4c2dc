#include "sources/mysql/decimal.h"

#include <array>

namespace deltaforge::sources::mysql {
namespace {

constexpr unsigned kGroup = 9;
constexpr std::array<unsigned, kGroup + 1> kBytesOf{0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
constexpr std::array<std::uint32_t, kGroup + 1> kPowers{1,      10,      100,      1000,      10000,
                                                        100000, 1000000, 10000000, 100000000, 1000000000};

// The groups of one number, one after the other, as digits at `to`.
class Groups {
 public:
  Groups(Bytes bytes, bool negative, char* to) : at_(bytes.data()), mask_(negative ? 0xFF : 0), to_(to) {}

  void add(unsigned digits) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < kBytesOf[digits]; ++i) {
      unsigned byte = static_cast<unsigned>(*at_++) ^ mask_;
      if (first_) byte ^= 0x80;
      first_ = false;
      value = value << 8 | byte;
    }
    ok_ = ok_ && value < kPowers[digits];
    unsigned left = digits;
    for (; left >= 2; left -= 2, value /= 100) {
      to_[left - 1] = static_cast<char>('0' + value % 100 % 10);
      to_[left - 2] = static_cast<char>('0' + value % 100 / 10);
    }
    if (left != 0) to_[0] = static_cast<char>('0' + value % 10);
    to_ += digits;
  }

  bool ok() const { return ok_; }
  char* end() const { return to_; }

 private:
  const std::byte* at_;
  unsigned mask_;
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
