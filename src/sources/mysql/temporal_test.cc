// Dates and times of the log -> text. Bytes recorded from MariaDB 10.11 (its old formats with
// mysql56_temporal_format=OFF), or following from the format.
#include "sources/mysql/temporal.h"

#include <gtest/gtest.h>

#include "sources/mysql/values_for_test.h"

namespace deltaforge::sources::mysql {
namespace {

using testing::from_hex;
using testing::show;

template <class Read>
std::string decode(std::string_view hex, Read read) {
  PageBudget budget(1 << 20);
  Pages pages(budget);
  auto bytes = from_hex(hex);
  Reader in(bytes);
  Value value;
  if (!read(in, pages, value)) return "refused";
  return in.left() == 0 ? show(value) : "bytes left over";
}

std::string datetime(unsigned digits, std::string_view hex) {
  return decode(hex, [&](auto& in, auto& pages, auto& out) { return read_datetime(in, digits, pages, out); });
}
std::string timestamp(unsigned digits, std::string_view hex) {
  DayText day;
  return decode(hex, [&](auto& in, auto& pages, auto& out) { return read_timestamp(in, digits, day, pages, out); });
}
std::string time(unsigned digits, std::string_view hex) {
  return decode(hex, [&](auto& in, auto& pages, auto& out) { return read_time(in, digits, pages, out); });
}
std::string date(std::string_view hex) {
  return decode(hex, [](auto& in, auto& pages, auto& out) { return read_date(in, pages, out); });
}
std::string old_datetime(unsigned digits, std::string_view hex) {
  return decode(hex, [&](auto& in, auto& pages, auto& out) { return read_old_datetime(in, digits, pages, out); });
}
std::string old_timestamp(unsigned digits, std::string_view hex) {
  DayText day;
  return decode(hex, [&](auto& in, auto& pages, auto& out) { return read_old_timestamp(in, digits, day, pages, out); });
}
std::string old_time(unsigned digits, std::string_view hex) {
  return decode(hex, [&](auto& in, auto& pages, auto& out) { return read_old_time(in, digits, pages, out); });
}

TEST(Dates, KeepZeroAndPartlyZeroDigits) {
  EXPECT_EQ(date("000000"), "date 0000-00-00");
  EXPECT_EQ(date("15be0f"), "date 2015-00-21");
  EXPECT_EQ(date("00be0f"), "date 2015-00-00");
  EXPECT_EQ(date("5dd00f"), "date 2024-02-29");
  EXPECT_EQ(date("9f1f4e"), "date 9999-12-31");
  EXPECT_EQ(date("a0 1f 4e"), "refused");  // month 13
  EXPECT_EQ(date("ffffff"), "refused");
  EXPECT_EQ(date("5dd0"), "refused");
}

TEST(Datetimes, HaveExactlyTheDeclaredDigits) {
  EXPECT_EQ(datetime(0, "8000000000"), "datetime 0000-00-00T00:00:00");
  EXPECT_EQ(datetime(3, "8000000000 0000"), "datetime 0000-00-00T00:00:00.000");
  EXPECT_EQ(datetime(0, "99b2443105"), "datetime 2024-01-02T03:04:05");
  EXPECT_EQ(datetime(1, "99b2443105 3c"), "datetime 2024-01-02T03:04:05.6");
  EXPECT_EQ(datetime(3, "99b2443105 1a7c"), "datetime 2024-01-02T03:04:05.678");
  EXPECT_EQ(datetime(6, "99b2443105 0a5bf5"), "datetime 2024-01-02T03:04:05.678901");
  EXPECT_EQ(datetime(0, "fef3ff7efb"), "datetime 9999-12-31T23:59:59");
}

TEST(Datetimes, RefuseWhatTheServerDoesNotStore) {
  EXPECT_EQ(datetime(0, "19b2443105"), "refused");     // negative
  EXPECT_EQ(datetime(0, "99b2443f"), "refused");       // ends early
  EXPECT_EQ(datetime(1, "99b2443105 64"), "refused");  // 100 hundredths
  EXPECT_EQ(datetime(0, "99b244313c"), "refused");     // second 60
  EXPECT_EQ(datetime(0, "ffffffffff"), "refused");
}

TEST(Timestamps, AreInstantsInUtc) {
  EXPECT_EQ(timestamp(0, "00000000"), "timestamp 0000-00-00T00:00:00Z");
  EXPECT_EQ(timestamp(6, "00000000 000000"), "timestamp 0000-00-00T00:00:00.000000Z");
  EXPECT_EQ(timestamp(0, "00000001"), "timestamp 1970-01-01T00:00:01Z");
  EXPECT_EQ(timestamp(3, "65937d25 1a7c"), "timestamp 2024-01-02T03:04:05.678Z");
  EXPECT_EQ(timestamp(6, "7fffffff 0f423f"), "timestamp 2038-01-19T03:14:07.999999Z");
  EXPECT_EQ(timestamp(0, "ffffffff"), "timestamp 2106-02-07T06:28:15Z");
  EXPECT_EQ(timestamp(2, "7fffffff"), "refused");
}

TEST(Timestamps, EveryDayOfTheirRange) {
  constexpr std::uint32_t kLast = UINT32_MAX / 86400;
  const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  DayText text;
  int year = 1970, month = 1, day = 1;
  for (std::uint32_t i = 0; i <= kLast; ++i) {
    ASSERT_EQ(std::string(text.of(i), DayText::kSize), fmt::format("{:04}-{:02}-{:02}", year, month, day));
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (++day > lengths[month - 1] + (month == 2 && leap ? 1 : 0)) day = 1, ++month;
    if (month > 12) month = 1, ++year;
  }
}

TEST(Times, BorrowTheFractionWhenNegative) {
  EXPECT_EQ(time(0, "800000"), "time 00:00:00");
  EXPECT_EQ(time(0, "b46efb"), "time 838:59:59");
  EXPECT_EQ(time(0, "4b9105"), "time -838:59:59");
  EXPECT_EQ(time(1, "7fffff f6"), "time -00:00:00.1");
  EXPECT_EQ(time(3, "7fffff fff6"), "time -00:00:00.001");
  EXPECT_EQ(time(6, "7fffff ffffff"), "time -00:00:00.000001");
  EXPECT_EQ(time(3, "7fefff f63c"), "time -01:00:00.250");
  EXPECT_EQ(time(0, "818000"), "time 24:00:00");
  EXPECT_EQ(time(2, "8000"), "refused");
  EXPECT_EQ(time(0, "80003c"), "refused");
}

// insert into o values(1,'-838:59:59','-00:00:00.1','-01:00:00.250','-00:00:00.000001','2024-01-02 03:04:05', ...)
TEST(OldFormats, AsMariadbWritesThem) {
  EXPECT_EQ(old_time(0, "590a80"), "time -838:59:59");
  EXPECT_EQ(old_time(1, "01cce05f"), "time -00:00:00.1");
  EXPECT_EQ(old_time(3, "00b3d0b606"), "time -01:00:00.250");
  EXPECT_EQ(old_time(6, "02bf3dde7bff"), "time -00:00:00.000001");
  EXPECT_EQ(old_datetime(0, "457c178468120000"), "datetime 2024-01-02T03:04:05");
  EXPECT_EQ(old_datetime(1, "00a96298ed78"), "datetime 2024-01-02T03:04:05.6");
  EXPECT_EQ(old_datetime(3, "00422a83bcc32e"), "datetime 2024-01-02T03:04:05.678");
  EXPECT_EQ(old_datetime(6, "01027612995a6f35"), "datetime 2024-01-02T03:04:05.678901");
  EXPECT_EQ(old_timestamp(0, "257d9365"), "timestamp 2024-01-02T03:04:05Z");
  EXPECT_EQ(old_timestamp(1, "65937d2506"), "timestamp 2024-01-02T03:04:05.6Z");
  EXPECT_EQ(old_timestamp(3, "65937d2502a6"), "timestamp 2024-01-02T03:04:05.678Z");
  EXPECT_EQ(old_timestamp(6, "65937d250a5bf5"), "timestamp 2024-01-02T03:04:05.678901Z");
}

TEST(OldFormats, RefuseWhatTheServerDoesNotStore) {
  EXPECT_EQ(old_datetime(0, "ffffffffffffffff"), "refused");
  EXPECT_EQ(old_datetime(6, "ffffffffffffffff"), "refused");
  EXPECT_EQ(old_timestamp(1, "65937d250a"), "refused");
  EXPECT_EQ(old_time(0, "3d0000"), "refused");  // second 61
  EXPECT_EQ(old_time(6, "ffffffffffff"), "refused");
  EXPECT_EQ(old_time(3, "00b3"), "refused");
}

}  // namespace
}  // namespace deltaforge::sources::mysql
