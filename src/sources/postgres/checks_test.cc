// Every mismatch between our position, the slot and the server is an error of its own.
#include "sources/postgres/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deltaforge::sources::postgres {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

ServerFacts server() {
  ServerFacts facts;
  facts.system = 7;
  facts.timeline = 3;
  facts.database = "app";
  facts.wal_level = "logical";
  facts.version = 150020;
  facts.flushed = Lsn{0x2000};
  return facts;
}
SlotFacts slot() { return {true, "logical", "pgoutput", "app", 0, "reserved", "", Lsn{0x1000}}; }
WalPosition position(std::uint64_t lsn, std::uint32_t timeline = 3) {
  WalPosition at;
  at.system = 7;
  at.timeline = timeline;
  at.database = "app";
  at.lsn = Lsn{lsn};
  return at;
}
const std::vector<TimelineEnd> kHistory{{1, Lsn{0x800}}, {2, Lsn{0x1800}}};

template <class F>
std::pair<std::string, ErrorKind> failure(F&& check) {
  try {
    check();
  } catch (const Error& error) {
    return {error.what(), error.kind()};
  }
  return {"no error", ErrorKind::storage};
}
auto lost(auto&& check) {
  auto [text, kind] = failure(check);
  EXPECT_EQ(kind, ErrorKind::position_lost) << text;
  EXPECT_THAT(text, AllOf(StartsWith("position lost: "), HasSubstr(". Re-snapshot required."),
                          HasSubstr("pg_drop_replication_slot('s')")));
  return text;
}

TEST(Checks, WhatFitsPasses) {
  check_server(server());
  check_slot(slot(), "s", server());
  check_slot_is_free(slot(), "s");
  for (std::uint64_t lsn : {0x1000, 0x1800, 0x2000}) {
    check_position(position(lsn), "s", server(), kHistory);
    check_slot_covers(position(lsn), slot(), "s");
  }
  check_position(position(0x800, 1), "s", server(), kHistory);  // promoted since, after our position
  check_position(position(0x1800, 2), "s", server(), kHistory);
}

TEST(Checks, ServersThatCannotBeStreamedFrom) {
  auto replica = server();
  replica.wal_level = "replica";
  auto [text, kind] = failure([&] { check_server(replica); });
  EXPECT_EQ(kind, ErrorKind::config);
  EXPECT_THAT(text, HasSubstr("ALTER SYSTEM SET wal_level = 'logical'"));
  auto old = server();
  old.version = 120010;
  EXPECT_EQ(failure([&] { check_server(old); }).second, ErrorKind::unsupported);
}

TEST(Checks, SlotsOfSomethingElse) {
  for (auto change : std::vector<std::function<void(SlotFacts&)>>{[](auto& s) { s.type = "physical"; },
                                                                  [](auto& s) { s.plugin = "wal2json"; },
                                                                  [](auto& s) { s.database = "other"; }}) {
    SlotFacts other = slot();
    change(other);
    EXPECT_EQ(failure([&] { check_slot(other, "s", server()); }).second, ErrorKind::config);
  }
}

TEST(Checks, ALostSlotSaysWhy) {
  SlotFacts gone = slot();
  gone.wal_status = "lost";
  gone.invalidation = "wal_removed";
  EXPECT_THAT(
      lost([&] { check_slot(gone, "s", server()); }),
      AllOf(HasSubstr("wal_status lost, wal_removed"), HasSubstr("max_slot_wal_keep_size"), HasSubstr("0/1000")));
  SlotFacts idle = slot();
  idle.invalidation = "idle_timeout";
  EXPECT_THAT(lost([&] { check_slot(idle, "s", server()); }), HasSubstr("idle_timeout"));
}

TEST(Checks, ADroppedAndAnAdvancedSlotHaveTheirOwnMessages) {
  EXPECT_THAT(lost([] { check_slot_covers(position(0x1000), {}, "s"); }),
              AllOf(HasSubstr("does not exist any more"), HasSubstr("after 0/1000")));
  EXPECT_THAT(
      lost([] { check_slot_covers(position(0xFFF), slot(), "s"); }),
      AllOf(HasSubstr("stands at 0/1000, past our position 0/FFF"), HasSubstr("advanced, or dropped and made again")));
}

TEST(Checks, AnotherServerOrDatabase) {
  auto other = position(0x1000);
  other.system = 8;
  EXPECT_THAT(lost([&] { check_position(other, "s", server(), {}); }), HasSubstr("system identifier 8"));
  other = position(0x1000);
  other.database = "elsewhere";
  EXPECT_THAT(lost([&] { check_position(other, "s", server(), {}); }), HasSubstr("database elsewhere"));
}

TEST(Checks, AServerThatLagsOrForked) {
  EXPECT_THAT(lost([] { check_position(position(0x2001), "s", server(), kHistory); }),
              HasSubstr("past the end of the server's log 0/2000"));
  EXPECT_THAT(lost([] { check_position(position(0x1801, 2), "s", server(), kHistory); }),
              AllOf(HasSubstr("left our timeline 2 at 0/1800"), HasSubstr("0/1801")));
  EXPECT_THAT(lost([] { check_position(position(0x1000, 4), "s", server(), kHistory); }),
              HasSubstr("not in the past of the server's timeline 3"));
}

TEST(Checks, ABusySlotIsTriedAgain) {
  SlotFacts busy = slot();
  busy.active_pid = 4711;
  auto [text, kind] = failure([&] { check_slot_is_free(busy, "s"); });
  EXPECT_EQ(kind, ErrorKind::unavailable);
  EXPECT_THAT(text, AllOf(HasSubstr("active for PID 4711"), HasSubstr("pg_terminate_backend(4711)")));
}

TEST(SlotRow, ReadsEveryVersion) {
  // 13
  SlotFacts old = parse_slot(R"({"slot_name":"s","plugin":"pgoutput","slot_type":"logical","datoid":5,"database":"app",
    "active":true,"active_pid":12,"restart_lsn":"0/1","confirmed_flush_lsn":"0/16B6C50","wal_status":"reserved"})");
  EXPECT_TRUE(old.exists);
  EXPECT_EQ(old.active_pid, 12);
  EXPECT_EQ(old.confirmed, Lsn{0x16B6C50});
  EXPECT_EQ(old.invalidation, "");
  // 16: invalidated by recovery; 17: with a reason
  EXPECT_EQ(parse_slot(R"({"conflicting":true,"confirmed_flush_lsn":null,"active_pid":null})").invalidation,
            "conflict with recovery");
  EXPECT_EQ(parse_slot(R"({"conflicting":false,"invalidation_reason":"rows_removed"})").invalidation, "rows_removed");
}

TEST(TimelineHistory, ReadsTheFile) {
  auto ends = parse_history("# comment\n1\t0/3000000\tno recovery target specified\n\n2\t1/A0\tbefore 2024-01-01\n");
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_EQ(ends[0].timeline, 1u);
  EXPECT_EQ(ends[1].end, (Lsn{0x1'0000'00A0}));
  EXPECT_TRUE(parse_history("").empty());
  EXPECT_TRUE(parse_history("garbage\n3\n").empty());
}

}  // namespace
}  // namespace deltaforge::sources::postgres
