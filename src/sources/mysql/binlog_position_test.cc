#include "sources/mysql/binlog_position.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"

namespace deltaforge::sources::mysql {
namespace {

using ::testing::HasSubstr;
using Mode = BinlogPosition::Mode;
using Kind = BinlogMark::Kind;

constexpr const char* kServer = "fdc7aaaa-0000-4000-8000-000000000001";
constexpr const char* kOther = "00112233-4455-6677-8899-aabbccddeeff";

std::string gtid(std::string_view tail, const char* uuid = kServer) {
  return std::string(uuid) + ":" + std::string(tail);
}

Position at(Mode mode, std::string_view gtids, std::string_view file = "bin.000002", std::uint64_t pos = 100) {
  auto data = std::make_unique<BinlogPosition>();
  if (mode == Mode::mariadb_gtid)
    data->server_id = 7;
  else
    data->server_uuid = kServer;
  data->mode = mode;
  data->file = file;
  data->pos = pos;
  if (mode == Mode::mysql_gtid) data->gtids = *GtidSet::parse(gtids);
  if (mode == Mode::mariadb_gtid) data->mariadb = *MariadbGtidPos::parse(gtids);
  return Position(std::move(data));
}
Position in_file(std::string_view file, std::uint64_t pos) { return at(Mode::file, "", file, pos); }

class BinlogAlgebraTest : public ::testing::Test {
 protected:
  Mark mark(Kind kind, std::uint64_t end, std::string_view file = "bin.000002") {
    BinlogMark mark;
    mark.end = end;
    mark.file = algebra_.names().intern(file);
    mark.kind = kind;
    return Mark::of(mark);
  }
  Mark place(std::uint64_t end, std::string_view file = "bin.000002") { return mark(Kind::place, end, file); }
  // "uuid:n" or "uuid:tag:n"
  Mark mysql(const std::string& id, std::uint64_t end, std::string_view file = "bin.000002") {
    auto result = mark(Kind::mysql, end, file).as<BinlogMark>();
    const GtidSet one = *GtidSet::parse(id);
    result.origin = algebra_.names().intern(one.parts().at(0).sid.key());
    result.number = one.parts().at(0).intervals.at(0).begin;
    return Mark::of(result);
  }
  Mark mariadb(const MariadbGtid& id, std::uint64_t end, std::string_view file = "bin.000002") {
    auto result = mark(Kind::mariadb, end, file).as<BinlogMark>();
    result.origin = id.domain;
    result.server = id.server;
    result.number = id.sequence;
    return Mark::of(result);
  }
  std::string after(Position position, std::vector<Mark> marks) {
    algebra_.advance(position, marks);
    return algebra_.show(position);
  }
  std::string meet(const Position& a, const Position& b) { return algebra_.show(algebra_.meet(a, b)); }

  BinlogAlgebra algebra_;
};

std::string shown(std::string_view file, std::uint64_t pos, std::string_view gtids = "-") {
  nlohmann::ordered_json json{{"file", file}, {"pos", pos}};
  if (gtids != "-") json["gtid_set"] = gtids;
  return json.dump();
}

TEST(BinlogFiles, AreOrderedByTheirNumber) {
  auto less = [](std::string_view a, std::string_view b) {
    EXPECT_EQ(compare_files(b, a), std::partial_ordering::greater) << a << " " << b;
    return compare_files(a, b) == std::partial_ordering::less;
  };
  EXPECT_TRUE(less("mysql-bin.000009", "mysql-bin.000010"));
  EXPECT_TRUE(less("mysql-bin.999999", "mysql-bin.1000000"));
  EXPECT_TRUE(less("a.b.000001", "a.b.000002"));
  EXPECT_TRUE(less("b.99999999999999999999999998", "b.99999999999999999999999999"));
  EXPECT_EQ(compare_files("b.000001", "b.000001"), std::partial_ordering::equivalent);
  EXPECT_EQ(compare_files("b.000001", "b.1"), std::partial_ordering::equivalent);
  EXPECT_EQ(compare_files("b.0", "b.000"), std::partial_ordering::equivalent);
  for (auto [a, b] : std::vector<std::pair<const char*, const char*>>{{"mysql-bin.000001", "binlog.000002"},
                                                                      {"a.b.1", "a.c.1"},
                                                                      {"a.1", "a1"},
                                                                      {"", "a.1"},
                                                                      {"a.1", "a.x"},
                                                                      {"a.1", "a."},
                                                                      {"a.1", "a.-2"},
                                                                      {"a", "b"}}) {
    EXPECT_EQ(compare_files(a, b), std::partial_ordering::unordered) << a << " " << b;
    EXPECT_EQ(compare_files(b, a), std::partial_ordering::unordered) << a << " " << b;
  }
}

TEST_F(BinlogAlgebraTest, PlacesRiseThroughTheFilesOfOneServer) {
  const auto at = [this](const char* file, std::uint64_t end) { return algebra_.place(place(end, file)); };
  const LogPlace first = at("a/bin.000009", 700);
  for (const LogPlace& later : {at("a/bin.000009", 701), at("a/bin.000010", 4), at("a/bin.1000000", 4)}) {
    EXPECT_EQ(first.log, later.log);
    EXPECT_LT(first.at, later.at);
  }
  EXPECT_LT(at("a/bin.000009", std::uint64_t{5} << 32).at, at("a/bin.000010", 4).at) << "a huge transaction";
  EXPECT_NE(first.log, at("b/bin.000009", 700).log);
  EXPECT_NE(first.log, at("a/log.000009", 700).log);
}

TEST_F(BinlogAlgebraTest, FileModeCoversWhatEndsHereOrBefore) {
  const Position here = in_file("bin.999999", 100);
  for (Kind kind : {Kind::place, Kind::anonymous, Kind::mysql, Kind::mariadb}) {
    EXPECT_TRUE(algebra_.covers(here, mark(kind, 100, "bin.999999")));
    EXPECT_TRUE(algebra_.covers(here, mark(kind, 5'000'000'000, "bin.999998")));
    EXPECT_FALSE(algebra_.covers(here, mark(kind, 101, "bin.999999")));
    EXPECT_FALSE(algebra_.covers(here, mark(kind, 4, "bin.1000000")));
    EXPECT_FALSE(algebra_.covers(here, mark(kind, 4, "other.000001")));
    EXPECT_FALSE(algebra_.covers({}, mark(kind, 4)));
  }
}

TEST_F(BinlogAlgebraTest, FileModeNeverGoesBack) {
  const Position here = in_file("bin.999999", 100);
  EXPECT_EQ(after(here, {}), shown("bin.999999", 100));
  EXPECT_EQ(after(here, {place(90, "bin.999999"), place(900, "bin.999998")}), shown("bin.999999", 100));
  EXPECT_EQ(after(here, {mark(Kind::anonymous, 5'000'000'000, "bin.999999"), place(4, "bin.1000000"),
                         place(200, "bin.999999")}),
            shown("bin.1000000", 4));
  EXPECT_EQ(after(here, {place(4, "renamed.000001"), mark(Kind::anonymous, 9, "renamed.000001")}),
            shown("renamed.000001", 9));
}

TEST_F(BinlogAlgebraTest, GtidModeCoversBySet) {
  const Position here = at(Mode::mysql_gtid, gtid("1-5:8:tag:3"));
  EXPECT_TRUE(algebra_.covers(here, mysql(gtid("5"), 900)));
  EXPECT_TRUE(algebra_.covers(here, mysql(gtid("tag:3"), 900)));
  EXPECT_FALSE(algebra_.covers(here, mysql(gtid("6"), 1)));
  EXPECT_FALSE(algebra_.covers(here, mysql(gtid("tag:4"), 1)));
  EXPECT_FALSE(algebra_.covers(here, mysql(gtid("3", kOther), 1)));
  EXPECT_FALSE(algebra_.covers({}, mysql(gtid("5"), 1)));
  // No data ended at a place; a transaction without GTID is rather sent twice than lost.
  EXPECT_TRUE(algebra_.covers(here, place(100)));
  EXPECT_FALSE(algebra_.covers(here, place(101)));
  EXPECT_FALSE(algebra_.covers(here, mark(Kind::anonymous, 50)));
  EXPECT_FALSE(algebra_.covers(here, mariadb({0, 1, 1}, 50)));
}

TEST_F(BinlogAlgebraTest, GtidModeKeepsGapsAndItsPlaceFollows) {
  const Position here = at(Mode::mysql_gtid, gtid("1-5"));
  const std::string set = gtid("1-5");
  EXPECT_EQ(after(here, {mysql(gtid("3"), 900)}), shown("bin.000002", 100, set));
  EXPECT_EQ(after(here, {mysql(gtid("7"), 200), mysql(gtid("tag:1"), 300), mysql(gtid("2", kOther), 400)}),
            shown("bin.000002", 400, gtid("2", kOther) + "," + gtid("1-5:7:tag:1")));
  // After a failover covered and new transactions alternate in a log of other names.
  EXPECT_EQ(after(here, {mysql(gtid("4"), 50, "log.000001"), mysql(gtid("6"), 60, "log.000001"),
                         mysql(gtid("5"), 70, "log.000001")}),
            shown("log.000001", 60, gtid("1-6")));
  EXPECT_EQ(after(here, {mysql(gtid("6"), 60, "bin.000001")}), shown("bin.000001", 60, gtid("1-6")));
  // A mere place moves forward only.
  EXPECT_EQ(after(here, {place(50), place(50, "bin.000001")}), shown("bin.000002", 100, set));
  EXPECT_EQ(after(here, {place(4, "bin.000003"), place(150)}), shown("bin.000003", 4, set));
  EXPECT_EQ(after(here, {mark(Kind::anonymous, 200)}), shown("bin.000002", 200, set));
  // The end of a transaction is never a mere place, also where GTIDs were switched off.
  EXPECT_EQ(after(here, {mark(Kind::anonymous, 50)}), shown("bin.000002", 50, set));
}

TEST_F(BinlogAlgebraTest, ThePlaceIsThatOfTheServerWhichWroteTheLastTransaction) {
  const std::string first = std::string(kServer) + "/bin.000002", other = std::string(kOther) + "/bin.000002";
  auto server_after = [this](std::vector<Mark> marks) {
    Position position = at(Mode::mysql_gtid, gtid("1-5"));
    algebra_.advance(position, marks);
    return position.as<BinlogPosition>().server_uuid;
  };
  EXPECT_EQ(server_after({mysql(gtid("6"), 200, first)}), kServer);
  EXPECT_EQ(server_after({mysql(gtid("6"), 200, other)}), kOther);
  EXPECT_EQ(server_after({mysql(gtid("6"), 200, first), mysql(gtid("7"), 300, other)}), kOther);
  EXPECT_EQ(server_after({mysql(gtid("6"), 200, other), mysql(gtid("5"), 300, first)}), kOther);
}

TEST_F(BinlogAlgebraTest, MariadbModeGoesByDomain) {
  const Position here = at(Mode::mariadb_gtid, "0-963-200,1-1-5");
  EXPECT_TRUE(algebra_.covers(here, mariadb({0, 1, 200}, 900)));
  EXPECT_FALSE(algebra_.covers(here, mariadb({0, 963, 201}, 1)));
  EXPECT_FALSE(algebra_.covers(here, mariadb({2, 963, 1}, 1)));
  EXPECT_FALSE(algebra_.covers(here, mysql(gtid("1"), 1)));
  EXPECT_FALSE(algebra_.covers(here, mark(Kind::anonymous, 1)));
  EXPECT_TRUE(algebra_.covers(here, place(100)));
  EXPECT_EQ(after(here, {mariadb({0, 1013, 201}, 150), mariadb({1, 1, 5}, 160), mariadb({3, 1, 1}, 170)}),
            shown("bin.000002", 170, "0-1013-201,1-1-5,3-1-1"));
}

TEST_F(BinlogAlgebraTest, MeetIsWhatBothHave) {
  EXPECT_TRUE(algebra_.meet({}, in_file("b.1", 4)).empty());
  EXPECT_TRUE(algebra_.meet(in_file("b.1", 4), {}).empty());
  const Position low = in_file("b.999999", 900), high = in_file("b.1000000", 4);
  EXPECT_EQ(meet(low, high), shown("b.999999", 900));
  EXPECT_EQ(meet(high, low), shown("b.999999", 900));
  EXPECT_EQ(meet(at(Mode::mysql_gtid, gtid("1-5:8"), "b.2", 50), at(Mode::mysql_gtid, gtid("2-9:tag:1"), "b.1", 60)),
            shown("b.1", 60, gtid("2-5:8")));
  EXPECT_EQ(meet(at(Mode::mysql_gtid, gtid("1"), "b.1", 50), at(Mode::mysql_gtid, gtid("1"), "b.2", 40)),
            shown("b.1", 50, gtid("1")));
  EXPECT_EQ(meet(at(Mode::mysql_gtid, gtid("1"), "b.1", 50), at(Mode::mysql_gtid, gtid("tag:1"), "c.1", 40)),
            shown("b.1", 50, ""));
  Position elsewhere = at(Mode::mysql_gtid, gtid("1"), "b.1", 40);  // its b.1 is not our b.1
  elsewhere.as<BinlogPosition>().server_uuid = kOther;
  EXPECT_EQ(meet(at(Mode::mysql_gtid, gtid("1"), "b.1", 50), elsewhere), shown("b.1", 50, gtid("1")));
  EXPECT_EQ(meet(at(Mode::mariadb_gtid, "0-1-5,1-1-1"), at(Mode::mariadb_gtid, "0-2-3", "bin.000002", 90)),
            shown("bin.000002", 90, "0-2-3"));
}

// What a lane asks when its sink comes back: does `held` still have all of `reached`?
TEST_F(BinlogAlgebraTest, ASinkThatLostSomethingIsFoundOut) {
  auto has_all = [this](const Position& held, const Position& reached) {
    return algebra_.equal(algebra_.meet(reached, held), reached);
  };
  EXPECT_TRUE(has_all(in_file("b.1", 50), in_file("b.1", 50)));
  EXPECT_TRUE(has_all(in_file("b.2", 4), in_file("b.1", 50)));
  EXPECT_FALSE(has_all(in_file("b.1", 49), in_file("b.1", 50)));
  EXPECT_FALSE(has_all(in_file("c.2", 99), in_file("b.1", 50)));
  EXPECT_FALSE(has_all(at(Mode::mysql_gtid, gtid("1-9"), "b.2", 99), in_file("b.1", 50)));
  Position elsewhere = in_file("b.2", 99);
  elsewhere.as<BinlogPosition>().server_uuid = kOther;
  EXPECT_FALSE(has_all(elsewhere, in_file("b.1", 50)));
  // With GTIDs the place does not matter, nor the server.
  Position held = at(Mode::mysql_gtid, gtid("1-9"), "a.000001", 4);
  held.as<BinlogPosition>().server_uuid = kOther;
  EXPECT_TRUE(has_all(held, at(Mode::mysql_gtid, gtid("1-5:7"))));
  EXPECT_FALSE(has_all(at(Mode::mysql_gtid, gtid("1-6:8-9")), at(Mode::mysql_gtid, gtid("1-5:7"))));
  EXPECT_TRUE(has_all(at(Mode::mariadb_gtid, "0-1-5,1-1-1"), at(Mode::mariadb_gtid, "0-1-5")));
  EXPECT_FALSE(has_all(at(Mode::mariadb_gtid, "0-1-5"), at(Mode::mariadb_gtid, "0-1-5,1-1-1")));
  EXPECT_FALSE(has_all(at(Mode::mariadb_gtid, "0-2-5"), at(Mode::mariadb_gtid, "0-1-5")));  // another history
}

TEST_F(BinlogAlgebraTest, EqualLooksAtWhatCounts) {
  EXPECT_TRUE(algebra_.equal({}, {}));
  EXPECT_FALSE(algebra_.equal(in_file("b.1", 4), {}));
  EXPECT_FALSE(algebra_.equal(in_file("b.1", 4), in_file("b.1", 5)));
  EXPECT_FALSE(algebra_.equal(in_file("b.1", 4), at(Mode::mysql_gtid, "", "b.1", 4)));
  EXPECT_TRUE(algebra_.equal(at(Mode::mysql_gtid, gtid("1"), "b.1", 4), at(Mode::mysql_gtid, gtid("1"), "c.1", 9)));
  EXPECT_FALSE(algebra_.equal(at(Mode::mysql_gtid, gtid("1")), at(Mode::mysql_gtid, gtid("1-2"))));
  EXPECT_FALSE(algebra_.equal(at(Mode::mariadb_gtid, "0-1-1"), at(Mode::mariadb_gtid, "0-1-2")));
}

TEST_F(BinlogAlgebraTest, PrintsWhatItParses) {
  const std::string server = R"("server":{"flavor":"mysql","uuid":"fdc7aaaa-0000-4000-8000-000000000001"},)";
  struct Case {
    Position position;
    std::string record, shown;
  };
  for (const auto& [position, record, shown] : std::vector<Case>{
           {in_file("b \"x\".000001", 5'000'000'000),
            server + R"("stream":{"file":"b \"x\".000001","pos":5000000000},"tracks":{})",
            R"({"file":"b \"x\".000001","pos":5000000000})"},
           {at(Mode::mysql_gtid, gtid("1-5:8:tag:1")),
            server + R"("stream":{"file":"bin.000002","pos":100,"gtid_set":")" + gtid("1-5:8:tag:1") +
                R"("},"tracks":{})",
            R"({"file":"bin.000002","pos":100,"gtid_set":")" + gtid("1-5:8:tag:1") + R"("})"},
           {at(Mode::mysql_gtid, ""), server + R"("stream":{"file":"bin.000002","pos":100,"gtid_set":""},"tracks":{})",
            R"({"file":"bin.000002","pos":100,"gtid_set":""})"},
           {at(Mode::mariadb_gtid, "0-1-5,1-2-3"),
            R"("server":{"flavor":"mariadb","server_id":7},)"
            R"("stream":{"file":"bin.000002","pos":100,"gtid":"0-1-5,1-2-3"},"tracks":{})",
            R"({"file":"bin.000002","pos":100,"gtid_set":"0-1-5,1-2-3"})"}}) {
    EXPECT_EQ(algebra_.print(position), record);
    EXPECT_EQ(algebra_.show(position), shown);
    const Position parsed = algebra_.parse("{\"v\":1," + record + "}");
    EXPECT_TRUE(algebra_.equal(parsed, position));
    EXPECT_EQ(algebra_.print(parsed), record);
  }
  EXPECT_TRUE(nlohmann::json::accept(algebra_.show(in_file("b\xFF\"\n.1", 4))));
}

TEST_F(BinlogAlgebraTest, RefusesWhatItCannotRead) {
  const std::string mysql = R"({"server":{"flavor":"mysql","uuid":"u"},"stream":)";
  const std::string mariadb = R"({"server":{"flavor":"mariadb","server_id":1},"stream":)";
  for (const std::string& bad : std::vector<std::string>{
           "",
           "[]",
           "{}",
           "null",
           R"({"server":{},"stream":{"file":"b.1","pos":4}})",
           R"({"server":{"flavor":"mysql","uuid":""},"stream":{"file":"b.1","pos":4}})",
           R"({"server":{"flavor":"mysql"},"stream":{"file":"b.1","pos":4}})",
           R"({"server":{"flavor":"oracle","uuid":"u"},"stream":{"file":"b.1","pos":4}})",
           R"({"server":{"flavor":"mariadb","server_id":-1},"stream":{"file":"b.1","pos":4}})",
           R"({"server":{"flavor":"mariadb","server_id":4294967296},"stream":{"file":"b.1","pos":4}})",
           mysql + "{}}",
           mysql + R"({"lsn":"0/1","xid":1}})",
           mysql + R"({"file":"b.1"}})",
           mysql + R"({"file":1,"pos":4}})",
           mysql + R"({"file":"b.1","pos":-4}})",
           mysql + R"({"file":"b.1","pos":4.5}})",
           mysql + R"({"file":"b.1","pos":"4"}})",
           mysql + R"({"file":"b.1","pos":4,"gtid_set":"0-1-5"}})",
           mysql + R"({"file":"b.1","pos":4,"gtid_set":7}})",
           mysql + R"({"file":"b.1","pos":4,"gtid":"0-1-5"}})",
           mariadb + R"({"file":"b.1","pos":4,"gtid":"0-1"}})",
           mariadb + R"({"file":"b.1","pos":4,"gtid_set":""}})",
           mysql + R"({"file":"b.1","pos":4},"tracks":{"t":1}})"}) {
    try {
      algebra_.parse(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::sink_state) << bad;
      EXPECT_THAT(error.what(), HasSubstr("MySQL position"));
    }
  }
}

// Marks in any order, in any mode: afterwards they are covered (but for transactions without a GTID that counts), and
// the same marks again change nothing. What is covered by the meet of two is covered by both.
TEST_F(BinlogAlgebraTest, AdvancedIsCovered) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 600 && !HasFailure(); ++round) {
    const auto mode = static_cast<Mode>(round % 3);
    std::vector<Mark> marks;
    for (auto n = random() % 30; n > 0; --n) {
      const std::uint64_t end = 4 + random() % 300, number = 1 + random() % 20;
      const std::string file = "bin.00000" + std::to_string(random() % 4);
      if (random() % 5 == 0 || mode == Mode::file)
        marks.push_back(place(end, file));
      else if (mode == Mode::mysql_gtid)
        marks.push_back(mysql(gtid((random() % 2 != 0 ? "tag:" : "") + std::to_string(number)), end, file));
      else
        marks.push_back(mariadb({static_cast<std::uint32_t>(random() % 3), 1, number}, end, file));
    }
    const auto middle = marks.begin() + static_cast<std::ptrdiff_t>(random() % (marks.size() + 1));
    Position a = at(mode, ""), b = at(mode, "");
    algebra_.advance(a, {marks.begin(), middle});
    algebra_.advance(b, {middle, marks.end()});
    const Position both = algebra_.meet(a, b);
    EXPECT_TRUE(algebra_.equal(both, algebra_.meet(b, a)));
    for (const Mark& mark : marks) {
      if (mark.as<BinlogMark>().kind == Kind::place && mode != Mode::file) continue;  // its place may have gone back
      EXPECT_EQ(algebra_.covers(both, mark), algebra_.covers(a, mark) && algebra_.covers(b, mark));
    }
    Position all = at(mode, "");
    algebra_.advance(all, marks);
    const Position before = all;
    std::erase_if(marks, [&](const Mark& m) { return m.as<BinlogMark>().kind == Kind::place && mode != Mode::file; });
    for (const Mark& mark : marks) EXPECT_TRUE(algebra_.covers(all, mark));
    algebra_.advance(all, marks);
    EXPECT_EQ(algebra_.print(all), algebra_.print(before));
  }
}

}  // namespace
}  // namespace deltaforge::sources::mysql
