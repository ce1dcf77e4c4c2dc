// DECIMAL of the log -> text. The bytes were recorded from MySQL 9.7 and MariaDB 10.11 or follow from the format.
#include "sources/mysql/decimal.h"

#include <gtest/gtest.h>

#include "sources/mysql/values_for_test.h"

namespace deltaforge::sources::mysql {
namespace {

using testing::from_hex;

std::string decode(unsigned precision, unsigned scale, std::string_view hex) {
  const auto bytes = from_hex(hex);
  if (bytes.size() != decimal_size(precision, scale)) return "another size";
  DecimalRoom room;
  const std::string_view text = print_decimal(bytes, precision, scale, room);
  return text.empty() ? "refused" : std::string(text);
}

TEST(Decimal, SignScaleAndGroups) {
  EXPECT_EQ(decode(10, 2, "8000007b2d"), "123.45");
  EXPECT_EQ(decode(10, 2, "7fffff84d2"), "-123.45");
  EXPECT_EQ(decode(10, 2, "8000000000"), "0.00");
  EXPECT_EQ(decode(10, 2, "7fffffffFE"), "-0.01");
  EXPECT_EQ(decode(10, 0, "80000000 01"), "1");
  EXPECT_EQ(decode(1, 1, "89"), "0.9");
  EXPECT_EQ(decode(1, 1, "76"), "-0.9");
  EXPECT_EQ(decode(14, 4, "810DFB38D204D2"), "1234567890.1234");
  EXPECT_EQ(decode(14, 4, "7EF204C72DFB2D"), "-1234567890.1234");
}

TEST(Decimal, LargestNumbers) {
  const std::string nines(35, '9'), fraction(30, '9');
  EXPECT_EQ(decode(65, 30, "85f5e0ff 3b9ac9ff 3b9ac9ff 3b9ac9ff 3b9aca00 3b9ac9ff 3b9ac9ff 03e7"), "refused");
  EXPECT_EQ(decode(65, 30, "85f5e0ff 3b9ac9ff 3b9ac9ff 3b9ac9ff 3b9ac9ff 3b9ac9ff 3b9ac9ff 03e7"),
            nines + "." + fraction);
  EXPECT_EQ(decode(65, 30, "7a0a1f00 c4653600 c4653600 c4653600 c4653600 c4653600 c4653600 fc18"),
            "-" + nines + "." + fraction);
  EXPECT_EQ(decode(38, 38, "80000000 00000000 00000000 00000000 01"), "0." + std::string(37, '0') + "1");
}

TEST(Decimal, RefusesWhatIsNoNumber) {
  EXPECT_EQ(decode(10, 2, "8000000064"), "refused");  // 100 hundredths
  EXPECT_EQ(decode(9, 0, "ffffffff"), "refused");
}

}  // namespace
}  // namespace deltaforge::sources::mysql
