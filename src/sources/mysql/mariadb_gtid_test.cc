#include "sources/mysql/mariadb_gtid.h"

#include <gtest/gtest.h>

namespace deltaforge::sources::mysql {
namespace {

MariadbGtidPos pos(std::string_view text) {
  auto parsed = MariadbGtidPos::parse(text);
  if (!parsed) ADD_FAILURE() << text << ": " << parsed.failure().what << " at " << parsed.failure().offset;
  return parsed ? *parsed : MariadbGtidPos();
}

TEST(MariadbGtidPos, PrintsByDomain) {
  EXPECT_EQ(to_string(pos("")), "");
  EXPECT_EQ(to_string(pos(" \n")), "");
  EXPECT_EQ(to_string(pos("0-1-100")), "0-1-100");
  EXPECT_EQ(to_string(pos("7-2-7, 0-1-100,\n3-9-1 ")), "0-1-100,3-9-1,7-2-7");
  EXPECT_EQ(to_string(pos("4294967295-4294967295-18446744073709551615")), "4294967295-4294967295-18446744073709551615");
  EXPECT_EQ(to_string(MariadbGtid{1, 2, 3}), "1-2-3");
}

TEST(MariadbGtidPos, RefusesMalformedText) {
  for (const char* bad : {",", "0", "0-1", "0-1-", "-1-1", "0--1", "0-1-1,", "0-1-1,,1-1-1", "0-1-1 1-1-1", "0-1-1x",
                          "0-1-1-1", "0 -1-1", "x-1-1", "4294967296-1-1", "0-4294967296-1", "0-1-18446744073709551616",
                          "0-1-+1", "00112233-4455-6677-8899-aabbccddeeff:1"})
    EXPECT_FALSE(MariadbGtidPos::parse(bad)) << bad;
  auto comma = MariadbGtidPos::parse("0-1-1;1-1-1");
  ASSERT_FALSE(comma);
  EXPECT_EQ(comma.failure().offset, 5u);
  auto twice = MariadbGtidPos::parse("0-1013-100,1-1-1,0-963-200");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.failure().what, "domain 0 is named twice");
}

TEST(MariadbGtidPos, KeepsOneIdForEachDomain) {
  MariadbGtidPos at;
  EXPECT_TRUE(at.empty());
  EXPECT_FALSE(at.covers({0, 1, 1}));
  EXPECT_TRUE(at.add({5, 1, 10}));
  EXPECT_TRUE(at.add({0, 963, 200}));
  EXPECT_TRUE(at.add({0, 1013, 201}));  // a failover: another server goes on
  EXPECT_FALSE(at.add({0, 963, 200}));
  EXPECT_FALSE(at.add({0, 963, 201}));
  EXPECT_EQ(to_string(at), "0-1013-201,5-1-10");
  EXPECT_TRUE(at.covers({0, 7, 201}));
  EXPECT_FALSE(at.covers({0, 7, 202}));
  EXPECT_FALSE(at.covers({1, 1, 1}));
}

TEST(MariadbGtidPos, MeetIsWhatBothHave) {
  auto meet = [](std::string_view a, std::string_view b) {
    MariadbGtidPos both = pos(a);
    both.meet(pos(b));
    return to_string(both);
  };
  EXPECT_EQ(meet("0-1-5,1-1-9,3-1-1", "0-2-7,1-2-8,2-1-1"), "0-1-5,1-2-8");
  EXPECT_EQ(meet("", "0-1-1"), "");
  EXPECT_EQ(meet("0-1-1", ""), "");
  EXPECT_EQ(meet("0-1-5", "0-2-5"), "0-2-5");
}

}  // namespace
}  // namespace deltaforge::sources::mysql
