#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace deltaforge {
namespace {

TEST(Utf8, KnowsWhatIsValid) {
  for (std::string good :
       {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (std::string bad : {"\x80", "\xe9", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x28\xa1", "a\xff"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
}

TEST(Utf8, TellsWhereItEnds) {
  EXPECT_EQ(utf8_prefix("ab\xc3\xa9\xff z"), 4u);
  EXPECT_EQ(utf8_prefix("ab\xe2\x82"), 2u);
}

}  // namespace
}  // namespace deltaforge
