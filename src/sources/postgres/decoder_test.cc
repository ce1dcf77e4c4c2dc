// The decoder on what real servers sent (tests/data/postgres, made by record.py there), and on damaged input.
#include "sources/postgres/decoder.h"

#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "core/event_id.h"
#include "sources/postgres/catalogue.h"
#include "sources/testing/recording_intake.h"

namespace deltaforge::sources::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::RecordingIntake;

// A literal with its NULs.
template <std::size_t N>
std::string bin(const char (&text)[N]) {
  return {text, N - 1};
}

std::string read_file(const std::string& name) {
  std::ifstream in(std::string(DF_SOURCE_DIR "/tests/data/postgres/") + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Recorded {
  Lsn at;
  std::string bytes;
};

std::vector<Recorded> recorded(const std::string& name) {
  std::string file = read_file(name + ".bin");
  ByteReader in(as_bytes(file));
  std::vector<Recorded> messages;
  while (in.left() > 0) {
    Lsn at{in.u64()};
    messages.push_back({at, std::string(in.text(in.u32()))});
  }
  EXPECT_TRUE(in.ok());
  return messages;
}

// Answers as the catalogue did when the messages were recorded.
class RecordedLookup : public RelationLookup {
 public:
  RecordedLookup() = default;
  explicit RecordedLookup(const std::string& name) {
    std::istringstream in(read_file(name + ".facts"));
    for (std::string line; std::getline(in, line);) facts.push_back(parse_facts(line));
  }
  RelationFacts look_up(const RelationMessage&) override {
    ++asked;
    return next < facts.size() ? facts[next] : RelationFacts{};
  }
  std::vector<RelationFacts> facts;
  std::size_t next = 0;  // of the message that is being fed
  int asked = 0;
};

struct Fixture {
  explicit Fixture(
      RecordedLookup from = {}, RelationCache::Captures captures = [](auto, auto) { return true; })
      : lookup(std::move(from)), relations({"shop", ""}, std::move(captures), registry) {
    relations.begin(lookup, "app");
  }

  void feed(std::string bytes, Lsn at = Lsn{0x1000}) {
    bool relation = !bytes.empty() && bytes[0] == 'R';
    decoder.message({reinterpret_cast<std::byte*>(bytes.data()), bytes.size()}, false, at);
    std::ranges::fill(bytes, '#');  // nothing may point into the receive buffer
    if (relation) ++lookup.next;
  }

  std::string what_of(const std::string& bytes) {
    try {
      feed(bytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::undecodable);
      return error.what();
    }
    return "no error";
  }

  RecordedLookup lookup;
  schema::Registry registry;
  RelationCache relations;
  RecordingIntake intake;
  Decoder decoder{{"shop", "1", 1, false}, relations, intake};
};

void expect_as_recorded(const std::string& name) {
  Fixture fixture{RecordedLookup(name)};
  for (const Recorded& message : recorded(name)) fixture.feed(message.bytes, message.at);
  std::string seen;
  for (const auto& transaction : fixture.intake.transactions()) {
    seen += "--\n";
    for (const std::string& event : transaction.events) seen += event + "\n";
  }
  // DF_WRITE_EXPECTED=1 accepts what came; read the difference before it is committed.
  if (std::getenv("DF_WRITE_EXPECTED") != nullptr)
    std::ofstream(std::string(DF_SOURCE_DIR "/tests/data/postgres/") + name + ".expected") << seen;
  EXPECT_EQ(seen, read_file(name + ".expected"));
}

TEST(Decoder, EveryTypeFromRecordedBytes) { expect_as_recorded("types"); }
TEST(Decoder, IdentitiesDdlAndTruncateFromRecordedBytes) { expect_as_recorded("rows"); }

TEST(Decoder, ATransactionCarriesItsIdentity) {
  Fixture fixture{RecordedLookup("types")};
  auto messages = recorded("types");
  for (const Recorded& message : messages) fixture.feed(message.bytes, message.at);
  BeginMessage begin = *read_begin(as_bytes(messages[0].bytes));
  auto first = fixture.intake.transactions()[0];
  std::string place = to_string(begin.commit);
  EXPECT_EQ(first.locus, "\"lsn\":\"" + place + "\",\"txId\":" + std::to_string(begin.xid));
  EXPECT_EQ(first.transaction_id, std::to_string(begin.xid));
  EXPECT_EQ(first.id_hash, transaction_hash("shop", "1", place));
  EXPECT_EQ(first.ts_us, begin.ts_us);
  EXPECT_GT(first.ts_us, 1'600'000'000'000'000);
  EXPECT_GT(first.mark.as<WalMark>().end, begin.commit);
  EXPECT_EQ(first.mark.as<WalMark>().xid, begin.xid);
  EXPECT_EQ(fixture.intake.transactions().back().mark.as<WalMark>().end, fixture.decoder.end());
}

TEST(Decoder, ForeignTablesAreReadPastAndStillMoveThePosition) {
  Fixture fixture{RecordedLookup("rows"), [](auto, std::string_view table) { return table == "f"; }};
  auto messages = recorded("rows");
  for (const Recorded& message : messages) fixture.feed(message.bytes, message.at);
  for (const std::string& event : fixture.intake.events()) EXPECT_THAT(event, HasSubstr("public.f#"));
  EXPECT_EQ(fixture.intake.transactions().size(), 6u);
  auto all = fixture.intake.all();
  EXPECT_TRUE(all.back().idle);
  EXPECT_EQ(all.back().mark.as<WalMark>().end, fixture.decoder.end());
}

TEST(Decoder, APartitionIsCapturedByTheNameOfItsRoot) {
  RecordedLookup lookup;
  lookup.facts.resize(1);
  lookup.facts[0].ancestors = {{"public", "root"}};
  Fixture fixture{lookup, [](auto, std::string_view table) { return table == "root"; }};
  std::string relation = bin("R\0\0\0\1public\0leaf\0d\0\0");
  fixture.feed(relation);
  ASSERT_NE(fixture.relations.find(1), nullptr);
  ASSERT_NE(fixture.relations.find(1)->schema, nullptr);
  EXPECT_EQ(fixture.relations.find(1)->schema->full_name, "public.leaf");
}

TEST(Decoder, ARepeatedRelationAsksTheCatalogueOnceUnlessFull) {
  for (char identity : {'d', 'f'}) {
    Fixture fixture;
    std::string relation = bin("R\0\0\0\1public\0t\0");
    relation += identity;
    relation += bin("\0\0");
    fixture.feed(relation);
    fixture.feed(relation);
    EXPECT_EQ(fixture.lookup.asked, identity == 'f' ? 2 : 1);
  }
}

// --- what must stop the stream ---

std::string begin() {
  return std::string("B") + std::string(7, '\0') + "\x10" + std::string(8, '\0') + bin("\0\0\0\7");
}
std::string commit(char low = '\x10') {
  return bin("C\0") + std::string(7, '\0') + low + std::string(7, '\0') + "\x20" + std::string(8, '\0');
}
std::string relation_of_two() {
  return bin("R\0\0\0\1public\0t\0d\0\2") + bin("\1id\0\0\0\0\x17\xff\xff\xff\xff") +
         bin("\0v\0\0\0\0\x19\xff\xff\xff\xff");
}
std::string insert(const std::string& tuple, char type = 'I', char part = 'N') {
  return type + bin("\0\0\0\1") + part + tuple;
}
const std::string kRow =
    bin("\0\2t\0\0\0\1"
        "7n");

TEST(Decoder, AWholeTransactionByHand) {
  Fixture fixture;
  for (const auto& message : {begin(), relation_of_two(), insert(kRow), commit()}) fixture.feed(message);
  EXPECT_THAT(fixture.intake.events(), ElementsAre("c public.t#1 before=- after={id=7,v=null}"));
}

// A reconnect in the middle of the first transaction, which then comes again: event ids hang on the ordinals.
TEST(Decoder, ANewConnectionCountsRowsAnew) {
  Fixture fixture;
  for (const auto& message : {begin(), relation_of_two(), insert(kRow), insert(kRow)}) fixture.feed(message);
  fixture.intake.rollback();
  fixture.relations.begin(fixture.lookup, "app");
  Decoder again{{"shop", "1", 1, false}, fixture.relations, fixture.intake};
  for (std::string message : {begin(), relation_of_two(), insert(kRow), commit()})
    again.message({reinterpret_cast<std::byte*>(message.data()), message.size()}, false, Lsn{0x1000});
  EXPECT_THAT(fixture.intake.events(), ElementsAre("c public.t#1 before=- after={id=7,v=null}"));
}

TEST(Decoder, UnknownMessagesStopWithPlaceAndType) {
  for (char type : {'S', 'E', 'c', 'b', 'P', 'K', 'r', 'x', '\x01'}) {
    Fixture fixture;
    std::string what = fixture.what_of(std::string(1, type) + "...");
    EXPECT_THAT(what, HasSubstr("at 0/1000, message type"));
    EXPECT_THAT(what, HasSubstr(type > ' ' ? std::string("'") + type + "'" : "byte 1"));
  }
}

TEST(Decoder, MessagesWithoutRowsAreIgnored) {
  Fixture fixture;
  fixture.feed(begin());
  for (char type : {'Y', 'O', 'M', 'A'}) fixture.feed(std::string(1, type) + "whatever");
  fixture.feed(commit());
  EXPECT_TRUE(fixture.intake.events().empty());
  EXPECT_EQ(fixture.intake.all().size(), 1u);
}

std::string logical(bool transactional, const std::string& prefix, const std::string& content, std::uint64_t end) {
  std::string message = "M" + std::string(1, transactional ? '\1' : '\0');
  for (int shift = 56; shift >= 0; shift -= 8) message += static_cast<char>(end >> shift & 0xff);
  message += prefix + '\0';
  for (int shift = 24; shift >= 0; shift -= 8) message += static_cast<char>(content.size() >> shift & 0xff);
  return message + content;
}

TEST(Decoder, MessagesOfApplicationsAreEvents) {
  Fixture fixture;
  Messages messages({"out%", "a.b"}, "shop", fixture.registry);
  messages.begin("app");
  Decoder decoder({"shop", "1", 1, false}, fixture.relations, fixture.intake, &messages);
  auto feed = [&](std::string bytes) {
    decoder.message({reinterpret_cast<std::byte*>(bytes.data()), bytes.size()}, false, Lsn{1});
    std::ranges::fill(bytes, '#');
  };
  std::vector<std::string> rows;
  fixture.intake.on_event = [&rows](const Event& event) {
    rows.push_back(event.schema->schema + " " + event.schema->table + " " + std::string(event.extra->after) + " " +
                   std::string(event.locus));
  };
  feed(logical(false, "outbox", R"({"a": 1})", 0x500));
  feed(logical(false, "other", "{}", 0x600));
  feed(begin());
  feed(logical(true, "a.b", "[1, 123456789012345678901234567890]", 0x700));
  feed(logical(true, "outbox", "\xff", 0x800));
  feed(logical(true, "outbox", "{}", 0x900));
  feed(commit());
  EXPECT_THAT(fixture.intake.events(), ElementsAre(HasSubstr("message:outbox#1"), HasSubstr("message:a.b#1"),
                                                   HasSubstr("message:outbox#1"), HasSubstr("message:outbox#2")));
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0], R"(__outbox outbox {"a":1} "lsn":"0/500")");
  EXPECT_THAT(rows[1], HasSubstr("__outbox a.b [1,123456789012345678901234567890] \"lsn\":"));
  EXPECT_THAT(rows[2], HasSubstr(R"( {"_base64":"/w=="} "lsn":)"));
  EXPECT_THAT(fixture.intake.transactions()[0].transaction_id, "");
  EXPECT_EQ(fixture.intake.all().size(), 3U) << "what was not wanted is a position";
  EXPECT_THROW(feed(logical(true, "outbox", "{}", 0xa00)), Error) << "it belongs to no transaction that began";
  EXPECT_THROW(feed(logical(false, "outbox", "{}", 0xa00).substr(0, 19)), Error);
}

TEST(Decoder, WhatDoesNotFitStops) {
  auto after_begin = [](const std::string& message) {
    Fixture fixture;
    fixture.feed(begin());
    fixture.feed(relation_of_two());
    return fixture.what_of(message);
  };
  EXPECT_THAT(after_begin(insert(bin("\0\1n"))), HasSubstr("1 columns, its relation has 2"));
  EXPECT_THAT(after_begin(insert(bin("\0\2t\0\0\0\2"
                                     "7"))),
              HasSubstr("ends early"));
  EXPECT_THAT(after_begin(insert(kRow + "x")), HasSubstr("left over"));
  EXPECT_THAT(after_begin(insert(bin("\0\2t\0\0\0\1"
                                     "xn"))),
              HasSubstr("column \"id\" of type oid 23: not the text form"));
  EXPECT_THAT(after_begin(insert(bin("\0\2b\0\0\0\1"
                                     "7n"))),
              HasSubstr("unknown kind of column value"));
  EXPECT_THAT(after_begin(insert(kRow, 'I', 'K')), HasSubstr("unknown part 'K'"));
  EXPECT_THAT(after_begin(insert(kRow, 'D', 'N')), HasSubstr("unknown part 'N'"));
  EXPECT_THAT(after_begin("I" + bin("\0\0\0\2N")), HasSubstr("did not describe relation 2"));
  EXPECT_THAT(after_begin(bin("T\0\0\0\1\0\0\0\0\2")), HasSubstr("did not describe relation 2"));
  EXPECT_THAT(after_begin(begin()), HasSubstr("inside another"));
  EXPECT_THAT(after_begin(commit('\x11')), HasSubstr("did not begin"));
  EXPECT_THAT(after_begin(""), HasSubstr("empty"));
  EXPECT_THAT(Fixture().what_of(insert(kRow)), HasSubstr("outside any transaction"));
  EXPECT_THAT(Fixture().what_of("B123"), HasSubstr("ends early"));
  EXPECT_THAT(Fixture().what_of("B" + std::string(8, '\0') + "\x7f" + std::string(7, '\xff') + std::string(4, '\0')),
              HasSubstr("time"));
  EXPECT_THAT(after_begin(commit().substr(0, 18) + "\x7f" + std::string(7, '\xff')), HasSubstr("time"));
  EXPECT_THAT(Fixture().what_of(relation_of_two().substr(0, 20)), HasSubstr("ends early"));
}

TEST(Decoder, MessagesNeverHoldRowData) {
  Fixture fixture;
  fixture.feed(begin());
  fixture.feed(relation_of_two());
  EXPECT_THAT(fixture.what_of(insert(bin("\0\2t\0\0\0\6"
                                         "secretn"))),
              Not(HasSubstr("secret")));
}

TEST(Decoder, BytesThatAreNotUtf8StopWhenTheDatabasePromisesNothing) {
  for (bool unchecked : {false, true}) {
    Fixture fixture;
    Decoder decoder({"shop", "1", 1, unchecked}, fixture.relations, fixture.intake);
    auto feed = [&](std::string bytes) {
      decoder.message({reinterpret_cast<std::byte*>(bytes.data()), bytes.size()}, false, Lsn{1});
    };
    feed(begin());
    feed(relation_of_two());
    std::string row = insert(bin("\0\2nt\0\0\0\1\xe9"));
    if (unchecked)
      EXPECT_THROW(feed(row), Error);
    else
      feed(row);
  }
}

// Damage is an Error{undecodable} or goes unnoticed inside a value; it is never a crash (the sanitizers watch).
TEST(Decoder, DamagedMessagesNeverCrash) {
  std::minstd_rand random(7);
  auto below = [&random](std::size_t bound) { return random() % bound; };
  int refused = 0;
  for (const char* name : {"types", "rows"}) {
    RecordedLookup lookup(name);
    auto messages = recorded(name);
    for (int round = 0; round < 150; ++round) {
      Fixture fixture{lookup};
      try {
        for (Recorded message : messages) {
          if (below(20) == 0) message.bytes.resize(below(message.bytes.size() + 1));
          if (below(5) == 0 && !message.bytes.empty())
            message.bytes[below(std::min<std::size_t>(message.bytes.size(), 400))] = static_cast<char>(random());
          fixture.feed(message.bytes, message.at);
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::undecodable);
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 200);
}

TEST(Decoder, OnlyRowsThatNobodyWantsMayBeDropped) {
  Fixture fixture{{}, [](auto, auto) { return false; }};
  fixture.feed(begin());
  EXPECT_FALSE(fixture.decoder.may_drop(as_bytes(insert(kRow))));  // not described yet: an error to be seen
  fixture.feed(relation_of_two());
  EXPECT_TRUE(fixture.decoder.may_drop(as_bytes(insert(kRow))));
  EXPECT_TRUE(fixture.decoder.may_drop(as_bytes("M")));
  EXPECT_FALSE(fixture.decoder.may_drop(as_bytes("R")));
  EXPECT_FALSE(fixture.decoder.may_drop(as_bytes("S")));
  Fixture wanted;
  wanted.feed(begin());
  wanted.feed(relation_of_two());
  EXPECT_FALSE(wanted.decoder.may_drop(as_bytes(insert(kRow))));
}

}  // namespace
}  // namespace deltaforge::sources::postgres
