#include "base/digits.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace deltaforge {
namespace {

template <class Number>
std::string printed(Number number) {
  char text[20];
  return {text, put_number(text, number)};
}

TEST(Digits, PrintsEveryLengthOfNumber) {
  EXPECT_EQ(printed(std::uint64_t{0}), "0");
  for (std::uint64_t power : kPowersOfTen)
    for (std::uint64_t number : {power - 1, power, power + 1}) {
      EXPECT_EQ(printed(number), std::to_string(number));
      EXPECT_EQ(count_digits(number), std::to_string(number).size());
    }
  EXPECT_EQ(printed(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(printed(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(printed(std::numeric_limits<std::int64_t>::max()), "9223372036854775807");
  EXPECT_EQ(printed(std::int64_t{-1}), "-1");
}

TEST(Digits, PutsZerosInFront) {
  char text[9];
  EXPECT_EQ(std::string(text, put_digits(text, 7u, 1)), "7");
  EXPECT_EQ(std::string(text, put_digits(text, 7u, 4)), "0007");
  EXPECT_EQ(std::string(text, put_digits(text, 123456789u, 9)), "123456789");
}

}  // namespace
}  // namespace deltaforge
