#include "sources/postgres/wal_position.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace deltaforge::sources::postgres {
namespace {

using ::testing::HasSubstr;

const WalAlgebra algebra;

Position at(std::uint64_t lsn, std::uint64_t system = 7'712'237'170'106'745'999) {
  auto data = std::make_unique<WalPosition>();
  data->system = system;
  data->timeline = 1;
  data->database = "app \"x\"";
  data->lsn = Lsn{lsn};
  data->xid = 731;
  return Position(std::move(data));
}
Mark mark(std::uint64_t end, std::uint32_t xid = 800, std::uint32_t timeline = 1) {
  return Mark::of(WalMark{Lsn{end}, xid, timeline});
}

TEST(Lsn, PrintsAndParses) {
  EXPECT_EQ(to_string(Lsn{0}), "0/0");
  EXPECT_EQ(to_string(Lsn{0x16B6C50}), "0/16B6C50");
  EXPECT_EQ(to_string(Lsn{0xFFFF'FFFF'FFFF'FFFF}), "FFFFFFFF/FFFFFFFF");
  EXPECT_EQ(to_string(Lsn{0x1'0000'000A}), "1/A");
  for (std::uint64_t lsn : {0ULL, 1ULL, 0x16B6C50ULL, 0xABCDEF01'23456789ULL})
    EXPECT_EQ(parse_lsn(to_string(Lsn{lsn})), Lsn{lsn});
  EXPECT_EQ(parse_lsn("0/16b6c50"), Lsn{0x16B6C50});
  for (const char* bad : {"", "/", "0", "0/", "/0", "0/g", "0/123456789", "0/1 ", "-1/0", "0x1/0", "0/1/2"})
    EXPECT_EQ(parse_lsn(bad), std::nullopt) << bad;
}

TEST(WalAlgebra, PlacesRiseThroughTimelines) {
  const LogPlace first = algebra.place(mark(0xFFFFFFFF)), second = algebra.place(mark(0x1'0000'0000, 7, 2));
  EXPECT_EQ(first.log, second.log);
  EXPECT_LT(first.at, second.at);
}

TEST(WalAlgebra, CoversWhatEndsHereOrBefore) {
  EXPECT_TRUE(algebra.covers(at(100), mark(100)));
  EXPECT_TRUE(algebra.covers(at(100), mark(99)));
  EXPECT_FALSE(algebra.covers(at(100), mark(101)));
  EXPECT_FALSE(algebra.covers({}, mark(1)));
}

TEST(WalAlgebra, AdvanceNeverGoesBack) {
  Position position = at(100);
  std::vector<Mark> marks{mark(90), mark(120, 801, 2), mark(110), mark(130, 0, 2)};
  algebra.advance(position, marks);
  EXPECT_EQ(position.as<WalPosition>().lsn, Lsn{130});
  EXPECT_EQ(position.as<WalPosition>().xid, 801u);  // a keepalive is no transaction
  EXPECT_EQ(position.as<WalPosition>().timeline, 2u);
  EXPECT_EQ(position.as<WalPosition>().database, "app \"x\"");
}

TEST(WalAlgebra, MeetIsWhatBothHave) {
  EXPECT_TRUE(algebra.equal(algebra.meet(at(100), at(200)), at(100)));
  EXPECT_TRUE(algebra.equal(algebra.meet(at(200), at(100)), at(100)));
  EXPECT_TRUE(algebra.meet(at(100), {}).empty());
  EXPECT_TRUE(algebra.meet({}, at(100)).empty());
}

TEST(WalAlgebra, EqualLooksAtTheServerToo) {
  EXPECT_TRUE(algebra.equal({}, {}));
  EXPECT_FALSE(algebra.equal(at(1), {}));
  EXPECT_FALSE(algebra.equal(at(1), at(2)));
  EXPECT_FALSE(algebra.equal(at(1, 5), at(1, 6)));
}

TEST(WalAlgebra, PrintsWhatItParses) {
  std::string text = algebra.print(at(0x16B6C50));
  EXPECT_EQ(text, R"("server":{"system_identifier":"7712237170106745999","timeline":1,"database":"app \"x\""},)"
                  R"("stream":{"lsn":"0/16B6C50","xid":731},"tracks":{})");
  EXPECT_TRUE(algebra.equal(algebra.parse("{\"v\":1," + text + "}"), at(0x16B6C50)));
  EXPECT_EQ(algebra.show(at(0x16B6C50)), R"({"lsn":"0/16B6C50","tx_id":731})");
}

TEST(WalAlgebra, RefusesWhatItCannotRead) {
  for (
      std::string bad :
      {"", "[]", "{}", "null", "{\"server\":{},\"stream\":{}}",
       R"({"server":{"system_identifier":7,"timeline":1,"database":"a"},"stream":{"lsn":"0/1","xid":1}})",
       R"({"server":{"system_identifier":"7x","timeline":1,"database":"a"},"stream":{"lsn":"0/1","xid":1}})",
       R"({"server":{"system_identifier":"7","timeline":7e65,"database":"a"},"stream":{"lsn":"0/1","xid":1}})",
       R"({"server":{"system_identifier":"7","timeline":-1,"database":"a"},"stream":{"lsn":"0/1","xid":1}})",
       R"({"server":{"system_identifier":"7","timeline":1,"database":"a"},"stream":{"lsn":"0/1","xid":4294967296}})",
       R"({"server":{"system_identifier":"7","timeline":1,"database":"a"},"stream":{"lsn":"0/1","xid":true}})",
       R"({"server":{"system_identifier":"7","timeline":1,"database":"a"},"stream":{"lsn":"01","xid":1}})",
       R"({"server":{"system_identifier":"7","timeline":1,"database":"a"},"stream":{"file":"x","pos":1}})",
       R"({"server":{"system_identifier":"7","timeline":1,"database":"a"},"stream":{"lsn":"0/1","xid":1},"tracks":{"t":1}})"}) {
    try {
      algebra.parse(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::sink_state) << bad;
      EXPECT_THAT(error.what(), HasSubstr("PostgreSQL position"));
    }
  }
}

}  // namespace
}  // namespace deltaforge::sources::postgres
