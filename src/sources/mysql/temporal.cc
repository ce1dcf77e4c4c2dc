#include "sources/mysql/temporal.h"

#include <array>

#include "base/digits.h"

namespace deltaforge::sources::mysql {
namespace {

constexpr std::uint32_t kDay = 24 * 60 * 60;
constexpr std::size_t kSecondText = 19;  // 2024-02-29T12:00:00

char* put_date(char* to, std::uint32_t year, std::uint32_t month, std::uint32_t day) {
  to = put_two(put_two(to, year / 100), year % 100);
  *to++ = '-';
  to = put_two(to, month);
  *to++ = '-';
  return put_two(to, day);
}

char* put_clock(char* to, std::uint32_t hour, std::uint32_t minute, std::uint32_t second) {
  to = put_two(to, hour);
  *to++ = ':';
  to = put_two(to, minute);
  *to++ = ':';
  return put_two(to, second);
}

// `fraction` in units of the last digit.
char* put_fraction(char* to, std::uint32_t fraction, unsigned digits) {
  if (digits == 0) return to;
  *to++ = '.';
  return put_digits(to, fraction, digits);
}

std::size_t fraction_size(unsigned digits) { return digits == 0 ? 0 : digits + 1; }

// width 0 to 8. The reader is quick for widths that the compiler knows.
std::uint64_t big_endian(Reader& in, std::size_t width) {
  switch (width) {
    case 0: return 0;
    case 1: return in.u8();
    case 2: return swap_bytes(in.u16());
    case 3: return swap_bytes(in.u24()) >> 8;
    case 4: return swap_bytes(in.u32());
    case 5: return swap_bytes(in.natural(5)) >> 24;
    case 6: return swap_bytes(in.u48()) >> 16;
    case 7: return swap_bytes(in.natural(7)) >> 8;
    default: return swap_bytes(in.u64());
  }
}

// Two digits a byte; an odd last digit is left out of the text (the server stores 0).
std::size_t fraction_bytes(unsigned digits) { return (digits + 1) / 2; }

// From what the bytes hold to units of the last declared digit.
bool scale_fraction(std::uint32_t& fraction, unsigned digits) {
  if (fraction >= kPowersOfTen[2 * fraction_bytes(digits)]) return false;
  if (digits % 2 != 0) fraction /= 10;
  return true;
}

char* new_text(Pages& pages, std::size_t size) { return reinterpret_cast<char*>(pages.allocate(size, 1)); }

struct Civil {
  std::uint32_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::uint32_t fraction = 0;

  bool fits() const { return year <= 9999 && month <= 12 && day <= 31 && hour <= 23 && minute <= 59 && second <= 59; }
};

bool finish_datetime(const Reader& in, const Civil& civil, unsigned digits, Pages& pages, Value& out) {
  if (!in.ok() || !civil.fits()) return false;
  char* text = new_text(pages, kSecondText + fraction_size(digits));
  char* to = put_date(text, civil.year, civil.month, civil.day);
  *to++ = 'T';
  to = put_clock(to, civil.hour, civil.minute, civil.second);
  to = put_fraction(to, civil.fraction, digits);
  out = Value::of_text(Kind::datetime, {text, to});
  return true;
}

// A TIMESTAMP of 0 is the zero date, since the first second of 1970 cannot be stored.
bool finish_timestamp(const Reader& in, std::uint32_t seconds, std::uint32_t fraction, unsigned digits, DayText& day,
                      Pages& pages, Value& out) {
  if (!in.ok()) return false;
  char* text = new_text(pages, kSecondText + fraction_size(digits) + 1);
  bool zero = seconds == 0 && fraction == 0;
  std::memcpy(text, zero ? "0000-00-00" : day.of(seconds / kDay), DayText::kSize);
  char* to = text + DayText::kSize;
  *to++ = 'T';
  seconds %= kDay;
  to = put_clock(to, seconds / 3600, seconds / 60 % 60, seconds % 60);
  to = put_fraction(to, fraction, digits);
  *to++ = 'Z';
  out = Value::of_text(Kind::timestamp, {text, to});
  return true;
}

bool finish_time(const Reader& in, bool negative, std::uint32_t hours, std::uint32_t minute, std::uint32_t second,
                 std::uint32_t fraction, unsigned digits, Pages& pages, Value& out) {
  if (!in.ok() || hours > 1023 || minute > 59 || second > 59) return false;
  char buffer[24];
  char* to = buffer;
  if (negative) *to++ = '-';
  if (hours >= 1000) *to++ = '1';
  if (hours >= 100) *to++ = static_cast<char>('0' + hours / 100 % 10);
  to = put_fraction(put_clock(to, hours % 100, minute, second), fraction, digits);
  out = Value::of_text(Kind::time, pages.copy({buffer, to}));
  return true;
}

}  // namespace

// Days to a civil date, by eras of 400 years that start in March.
void DayText::print(std::uint32_t day) {
  day_ = day;
  std::uint32_t shifted = day + 719468;  // since 0000-03-01
  std::uint32_t era = shifted / 146097, of_era = shifted % 146097;
  std::uint32_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  std::uint32_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  std::uint32_t from_march = (5 * of_year + 2) / 153;
  std::uint32_t month = from_march < 10 ? from_march + 3 : from_march - 9;
  put_date(text_, era * 400 + year_of_era + (month <= 2 ? 1 : 0), month, of_year - (153 * from_march + 2) / 5 + 1);
}

bool read_date(Reader& in, Pages& pages, Value& out) {
  std::uint32_t packed = in.u24();
  std::uint32_t year = packed >> 9, month = packed >> 5 & 15, day = packed & 31;
  if (!in.ok() || year > 9999 || month > 12) return false;
  char* text = new_text(pages, DayText::kSize);
  put_date(text, year, month, day);
  out = Value::of_text(Kind::date, {text, DayText::kSize});
  return true;
}

// From the highest bit: 1 positive, 17 year * 13 + month, 5 day, 5 hour, 6 minute, 6 second; then the fraction.
bool read_datetime(Reader& in, unsigned digits, Pages& pages, Value& out) {
  std::uint64_t packed = big_endian(in, 5);
  auto fraction = static_cast<std::uint32_t>(big_endian(in, fraction_bytes(digits)));
  if ((packed >> 39) != 1 || !scale_fraction(fraction, digits)) return false;
  auto months = static_cast<std::uint32_t>(packed >> 22 & 0x1FFFF);
  auto rest = static_cast<std::uint32_t>(packed & 0x3FFFFF);
  Civil civil{months / 13, months % 13, rest >> 17, rest >> 12 & 31, rest >> 6 & 63, rest & 63, fraction};
  return finish_datetime(in, civil, digits, pages, out);
}

bool read_timestamp(Reader& in, unsigned digits, DayText& day, Pages& pages, Value& out) {
  auto seconds = static_cast<std::uint32_t>(big_endian(in, 4));
  auto fraction = static_cast<std::uint32_t>(big_endian(in, fraction_bytes(digits)));
  return scale_fraction(fraction, digits) && finish_timestamp(in, seconds, fraction, digits, day, pages, out);
}

// One signed number with its zero in the middle: 1 unused bit, 10 hours, 6 minute, 6 second, and the fraction, which
// borrows from the seconds when it is negative.
bool read_time(Reader& in, unsigned digits, Pages& pages, Value& out) {
  const std::size_t tail = fraction_bytes(digits);
  const auto zero = std::int64_t{0x800000} << (8 * tail);
  std::int64_t packed = static_cast<std::int64_t>(big_endian(in, 3 + tail)) - zero;
  bool negative = packed < 0;
  auto size = static_cast<std::uint64_t>(negative ? -packed : packed);
  auto clock = static_cast<std::uint32_t>(size >> (8 * tail));
  auto fraction = static_cast<std::uint32_t>(size & ((std::uint64_t{1} << (8 * tail)) - 1));
  if (!scale_fraction(fraction, digits)) return false;
  return finish_time(in, negative, clock >> 12, clock >> 6 & 63, clock & 63, fraction, digits, pages, out);
}

namespace {

constexpr std::array<std::size_t, kFractionDigits + 1> kOldDatetimeBytes{8, 6, 6, 7, 7, 7, 8};
constexpr std::array<std::size_t, kFractionDigits + 1> kOldTimestampBytes{0, 1, 1, 2, 2, 3, 3};
constexpr std::array<std::size_t, kFractionDigits + 1> kOldTimeBytes{3, 4, 4, 5, 5, 5, 6};

std::uint32_t take(std::uint64_t& packed, std::uint64_t unit) {
  auto part = static_cast<std::uint32_t>(packed % unit);
  packed /= unit;
  return part;
}

}  // namespace

// Without fraction the decimal digits YYYYMMDDhhmmss; with one, mixed radix in units of the last digit.
bool read_old_datetime(Reader& in, unsigned digits, Pages& pages, Value& out) {
  std::uint64_t packed = digits == 0 ? in.u64() : big_endian(in, kOldDatetimeBytes[digits]);
  Civil civil;
  if (digits == 0) {
    for (std::uint32_t* part : {&civil.second, &civil.minute, &civil.hour, &civil.day, &civil.month})
      *part = take(packed, 100);
  } else {
    civil.fraction = take(packed, kPowersOfTen[digits]);
    civil.second = take(packed, 60);
    civil.minute = take(packed, 60);
    civil.hour = take(packed, 24);
    civil.day = take(packed, 32);
    civil.month = take(packed, 13);
  }
  if (packed > 9999) return false;
  civil.year = static_cast<std::uint32_t>(packed);
  return finish_datetime(in, civil, digits, pages, out);
}

bool read_old_timestamp(Reader& in, unsigned digits, DayText& day, Pages& pages, Value& out) {
  std::uint32_t seconds = digits == 0 ? in.u32() : static_cast<std::uint32_t>(big_endian(in, 4));
  auto fraction = static_cast<std::uint32_t>(big_endian(in, kOldTimestampBytes[digits]));
  return fraction < kPowersOfTen[digits] && finish_timestamp(in, seconds, fraction, digits, day, pages, out);
}

// Without fraction the decimal digits hhmmss, signed; with one, in units of the last digit, its zero in the middle.
bool read_old_time(Reader& in, unsigned digits, Pages& pages, Value& out) {
  if (digits == 0) {
    std::uint32_t sent = in.u24();
    bool negative = (sent & 0x800000) != 0;
    std::uint32_t size = negative ? 0x1000000 - sent : sent;
    return finish_time(in, negative, size / 10000, size / 100 % 100, size % 100, 0, 0, pages, out);
  }
  constexpr std::int64_t kZeroSeconds = 839 * 3600;
  std::int64_t packed = static_cast<std::int64_t>(big_endian(in, kOldTimeBytes[digits])) -
                        kZeroSeconds * static_cast<std::int64_t>(kPowersOfTen[digits]);
  auto size = static_cast<std::uint64_t>(packed < 0 ? -packed : packed);
  std::uint32_t fraction = take(size, kPowersOfTen[digits]), second = take(size, 60), minute = take(size, 60);
  if (size > 838) return false;
  return finish_time(in, packed < 0, static_cast<std::uint32_t>(size), minute, second, fraction, digits, pages, out);
}

}  // namespace deltaforge::sources::mysql
