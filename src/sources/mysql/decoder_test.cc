// Whole events, as a server that is damaged or hostile may send them. What ordinary ones become is tested end to end
// (tests/cases/mysql, tests/e2e/test_mysql.py).
#include "sources/mysql/decoder.h"

#include <cstring>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "sources/mysql/values_for_test.h"
#include "sources/testing/recording_intake.h"

namespace deltaforge::sources::mysql {
namespace {

using sources::testing::RecordingIntake;
using ::testing::ElementsAre;
using testing::from_hex;
using ::testing::HasSubstr;

class State final : public SourceState {
 public:
  std::optional<std::string> get(std::string_view key) override {
    auto found = values_.find(key);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }
  void put(std::string_view key, std::string_view value) override { values_[std::string(key)] = value; }
  void erase(std::string_view key) override { values_.erase(std::string(key)); }
  void erase_prefix(std::string_view prefix) override {
    std::erase_if(values_, [&](const auto& each) { return each.first.starts_with(prefix); });
  }

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

// An event of the file, without checksum.
std::string event(EventType type, const std::string& body, std::uint32_t timestamp = 1'700'000'000) {
  std::string out(EventHeader::kSize, '\0');
  const auto size = static_cast<std::uint32_t>(out.size() + body.size());
  std::memcpy(out.data(), &timestamp, 4);
  out[4] = static_cast<char>(type);
  out[5] = 1;
  std::memcpy(out.data() + 9, &size, 4);
  return out + body;
}

std::string bytes(std::string_view hex) {
  auto all = from_hex(hex);
  return std::string(as_text(all));
}

std::string query(const std::string& sql) {
  return event(EventType::query, std::string(8, '\0') + '\1' + std::string(4, '\0') + 'd' + '\0' + sql);
}
std::string gtid(char number) { return event(EventType::gtid, std::string(17, '\1') + number + std::string(7, '\0')); }
const std::string kSid = "01010101-0101-0101-0101-010101010101";  // of gtid()
std::string previous_gtids(const std::string& set) {
  const auto encoded = GtidSet::parse(set)->encode();
  return event(EventType::previous_gtids, std::string(as_text(encoded)));
}
// d.t(a int): a map, and a row of it.
const std::string kMap = event(EventType::table_map, bytes("6e0000000000 0100 016400 017400 01 03 00 01 04020161"));
const std::string kRow = event(EventType::write_rows, bytes("6e0000000000 0100 0200 01 ff 00 07000000"));
const std::string kXid = event(EventType::xid, std::string(8, '\1'));

// As the server sends it first, by itself: no event of the file.
std::string file_is(const std::string& name) { return event(EventType::rotate, bytes("0400000000000000") + name, 0); }
std::string format_description(std::uint32_t timestamp) {
  constexpr std::size_t kSizes = 42;
  return event(EventType::format_description,
               bytes("0400") + std::string(50 + 4 + 1 + kSizes, '\0') + bytes("00 00000000"), timestamp);
}
// Gives a file's event the offset that it ends at.
std::string ending_at(std::uint32_t end, std::string event) {
  std::memcpy(event.data() + 13, &end, 4);
  return event;
}

struct Fixture {
  explicit Fixture(const std::string& gtids = "") : before(*GtidSet::parse(gtids)) {}
  void feed(std::string bytes) { decoder.event({reinterpret_cast<std::byte*>(bytes.data()), bytes.size()}, false); }
  std::string what_of(const std::string& bytes, ErrorKind kind = ErrorKind::undecodable) {
    try {
      feed(bytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      return error.what();
    }
    return "no error";
  }

  schema::Registry registry;
  TableCache tables{{"shop", "mysql", Flavor::mysql}, [](auto, auto) { return true; }, {}, registry};
  NameTable names;
  RecordingIntake intake;
  State state;
  GtidSet before;
  Decoder decoder{{.source_id = "shop",
                   .epoch = "1",
                   .flavor = Flavor::mysql,
                   .server = "s",
                   .mariadb = {},
                   .gtids = before,
                   .by_gtid_set = !before.empty()},
                  tables,
                  names,
                  intake,
                  state};
};

// An uncompressed TRANSACTION_PAYLOAD.
std::string payload(const std::string& events) {
  return event(EventType::transaction_payload, bytes("02 03 fcff00 00") + events);
}

TEST(MysqlDecoder, ATransactionByHand) {
  Fixture fixture;
  for (const auto& each : {gtid(1), query("BEGIN"), kMap, kRow, kXid}) fixture.feed(each);
  EXPECT_THAT(fixture.intake.events(), ElementsAre("c d.t#1 before=- after={a=7}"));
}

// A server tells the name of the file first. One that does not leaves it empty.
TEST(MysqlDecoder, WithoutANameOfTheFileThePlaceIsStillJson) {
  Fixture fixture;
  for (const auto& each : {gtid(1), query("BEGIN"), kMap, kRow, kXid}) fixture.feed(each);
  EXPECT_THAT(fixture.intake.all().at(0).locus, HasSubstr(R"("file":"","pos":)"));
}

TEST(MysqlDecoder, ACompressedTransactionByHand) {
  Fixture fixture;
  fixture.feed(gtid(1));
  fixture.feed(payload(query("BEGIN") + kMap + kRow + kXid));
  EXPECT_THAT(fixture.intake.events(), ElementsAre("c d.t#1 before=- after={a=7}"));
}

// The intake wants to be asked for room after every transaction, and inside a payload nobody asks.
TEST(MysqlDecoder, ACompressedTransactionIsOne) {
  const std::string begin = query("BEGIN");
  for (const std::string& behind : {begin + kMap + kRow + kXid, gtid(2) + begin, kXid, query("TRUNCATE t")}) {
    Fixture fixture;
    fixture.feed(gtid(1));
    EXPECT_THAT(fixture.what_of(payload(begin + kMap + kRow + kXid + behind)), HasSubstr("compressed transaction"));
  }
  for (const std::string& inside : {gtid(2), event(EventType::heartbeat, ""), event(EventType::rotate, "12345678b", 0),
                                    event(EventType::format_description, std::string(80, '\0'))}) {
    Fixture fixture;
    fixture.feed(gtid(1));
    EXPECT_THAT(fixture.what_of(payload(begin + kMap + kRow + inside)), HasSubstr("compressed transaction"));
  }
}

TEST(MysqlDecoder, ALargeEventInACompressedTransaction) {
  const std::string large = event(EventType::rows_query, std::string(5'000'000, 'x'));
  Fixture fixture;
  fixture.feed(gtid(1));
  fixture.feed(payload(query("BEGIN") + large + kMap + kRow + large + kXid));
  EXPECT_THAT(fixture.intake.events(), ElementsAre("c d.t#1 before=- after={a=7}"));
}

TEST(MysqlDecoder, AFileIsNamedInUtf8) {
  Fixture fixture;
  EXPECT_THAT(fixture.what_of(event(EventType::rotate, std::string(8, '\4') + "binlog.\xff", 0)), HasSubstr("UTF-8"));
}

TEST(MysqlDecoder, ATransactionThatComesTwiceIsALogThatWasReset) {
  for (const std::string& begins_at : {std::string(), kSid + ":1-2"}) {
    Fixture fixture(begins_at);
    for (const auto& each : {gtid(3), query("BEGIN"), kMap, kRow, kXid, gtid(4), query("BEGIN")}) fixture.feed(each);
    fixture.feed(gtid(4));  // the server died: it had not ended
    EXPECT_THAT(fixture.what_of(gtid(3), ErrorKind::position_lost), HasSubstr(kSid + ":3 has come before"));
  }
}

TEST(MysqlDecoder, AFileSaysWhatLiesBeforeIt) {
  Fixture fixture(kSid + ":1-2");
  for (const auto& each : {gtid(3), query("BEGIN"), query("ROLLBACK"), gtid(4), query("BEGIN"), kXid})
    fixture.feed(each);
  for (const char* set : {"", ":1", ":1-4"}) fixture.feed(previous_gtids(*set == 0 ? "" : kSid + set));
  EXPECT_THAT(fixture.what_of(previous_gtids(kSid + ":1-6"), ErrorKind::position_lost), HasSubstr(kSid + ":5-6"));
}

TEST(MysqlDecoder, AFileBegunAtAnotherTimeIsALogThatWasReset) {
  Fixture fixture;
  for (const auto& each : {file_is("b.1"), format_description(1), format_description(1), file_is("b.2"),
                           format_description(2), file_is("b.3"), format_description(0)})
    fixture.feed(each);
  fixture.feed(file_is("b.2"));
  EXPECT_THAT(fixture.what_of(format_description(3), ErrorKind::position_lost), HasSubstr("begun at another time"));
}

TEST(MysqlDecoder, AServerThatStartsNumbersItsTablesAnew) {
  Fixture fixture;
  const std::string start = ending_at(124, format_description(1));
  for (const auto& each : {file_is("b.1"), start, gtid(1), query("BEGIN"), kMap, kRow}) fixture.feed(each);
  for (const auto& each : {file_is("b.2"), start, gtid(1), query("BEGIN")}) fixture.feed(each);
  EXPECT_THAT(fixture.what_of(kRow), HasSubstr("did not describe table 110"));
  EXPECT_THAT(fixture.intake.events(), ElementsAre());
}

TEST(MysqlDecoder, AGroupThatWasRolledBackCountsAndLeavesNoRow) {
  for (const auto& group : {std::vector{query("BEGIN"), kMap, kRow}, std::vector{kMap, kRow}, {query("BEGIN")}}) {
    Fixture fixture;
    fixture.feed(gtid(1));
    for (const auto& each : group) fixture.feed(each);
    fixture.feed(query("ROLLBACK"));
    ASSERT_TRUE(fixture.decoder.owes());
    fixture.decoder.pay();
    EXPECT_FALSE(fixture.decoder.owes());
    EXPECT_THAT(fixture.intake.events(), ElementsAre());
    ASSERT_EQ(fixture.intake.all().size(), 1U);
    EXPECT_EQ(fixture.intake.all().at(0).mark.as<BinlogMark>().number, 1U);
  }
}

TEST(MysqlDecoder, WhatIsReadPastMovesThePlace) {
  Fixture fixture;
  fixture.feed(file_is("b.1"));
  const std::string packet = '\0' + ending_at(1000, kRow);
  fixture.decoder.dropped(as_bytes(packet));
  EXPECT_EQ(fixture.decoder.place().end(), 1000U);
}

// Also of groups that begin and end within one event.
TEST(MysqlDecoder, TellsWhenTheIntakeWantsToBeAskedForRoom) {
  Fixture fixture;
  fixture.feed(kMap);
  auto asks = [&, seen = fixture.decoder.ends()]() mutable {
    return std::exchange(seen, fixture.decoder.ends()) != seen;
  };
  fixture.feed(query("TRUNCATE t"));
  EXPECT_TRUE(asks());
  for (const auto& each : {gtid(1), query("BEGIN"), kRow}) fixture.feed(each);
  EXPECT_FALSE(asks());
  fixture.feed(gtid(2));  // the server died: what it wrote of the first is rolled back
  EXPECT_TRUE(asks());
}

}  // namespace
}  // namespace deltaforge::sources::mysql
