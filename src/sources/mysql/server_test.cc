// Every mismatch between the server's settings, its log and a stored position is an error that names its remedy.
#include "sources/mysql/server.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace deltaforge::sources::mysql {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Mode = BinlogPosition::Mode;

constexpr const char* kUuid = "fdc7aaaa-0000-4000-8000-000000000001";

std::string ours(const std::string& numbers) { return std::string(kUuid) + ":" + numbers; }

ServerFacts server(Flavor flavor = Flavor::mysql) {
  ServerFacts facts;
  facts.flavor = flavor;
  facts.uuid = flavor == Flavor::mysql ? kUuid : "";
  facts.server_id = 7;
  facts.variables = {{"log_bin", "ON"}, {"binlog_format", "ROW"}, {"binlog_row_metadata", "FULL"}, {"gtid_mode", "ON"}};
  facts.grants = {"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `cdc`@`%`"};
  return facts;
}

BinlogPosition position(Mode mode, const std::string& gtids = "", const std::string& file = "bin.000002",
                        std::uint64_t pos = 100) {
  BinlogPosition at;
  at.mode = mode;
  at.file = file;
  at.pos = pos;
  if (mode == Mode::mariadb_gtid)
    at.server_id = 7;
  else
    at.server_uuid = kUuid;
  if (mode == Mode::mysql_gtid) at.gtids = *GtidSet::parse(gtids);
  if (mode == Mode::mariadb_gtid) at.mariadb = *MariadbGtidPos::parse(gtids);
  return at;
}

LogFacts log_of(Mode mode, const std::string& gtids = "", const std::string& purged = "") {
  LogFacts log;
  log.tail = position(mode, gtids, "bin.000003", 500);
  log.files = {{"bin.000002", 200}, {"bin.000003", 500}};
  log.purged = *GtidSet::parse(purged);
  return log;
}

std::pair<std::string, ErrorKind> failure(const std::function<void()>& check) {
  try {
    check();
  } catch (const Error& error) {
    return {error.what(), error.kind()};
  }
  return {"no error", ErrorKind::storage};
}

std::string lost(const BinlogPosition& stored, const ServerFacts& facts, const LogFacts& log) {
  auto [text, kind] = failure([&] { check_position(stored, facts, log); });
  EXPECT_EQ(kind, ErrorKind::position_lost) << text;
  EXPECT_THAT(text, StartsWith("position lost: "));
  return text;
}

TEST(MysqlChecks, WhatFitsPasses) {
  check_server(server(), "cdc");
  const LogFacts mysql = log_of(Mode::mysql_gtid, ours("1-9"), ours("1-3"));
  for (const char* have : {"1-3", "1-5", "1-9"})
    check_position(position(Mode::mysql_gtid, ours(have)), server(), mysql);
  check_lane(position(Mode::mysql_gtid, ours("1")), server(), mysql);  // what was purged is judged by the meet
  for (std::uint64_t pos : {4, 100, 200}) check_position(position(Mode::file, "", "bin.000002", pos), server(), mysql);

  LogFacts mariadb = log_of(Mode::mariadb_gtid, "0-1-9");
  check_position(position(Mode::mariadb_gtid, "0-1-9"), server(Flavor::mariadb), mariadb);
  mariadb.mariadb_at_place = "0-1-5";
  check_position(position(Mode::mariadb_gtid, "0-1-5"), server(Flavor::mariadb), mariadb);
}

TEST(MysqlChecks, EverySettingThatLacksIsNamedWithItsStatement) {
  ServerFacts bad = server();
  bad.server_id = 0;
  bad.variables = {{"log_bin", "OFF"}, {"binlog_format", "MIXED"}, {"binlog_row_metadata", "MINIMAL"}};
  auto [text, kind] = failure([&] { check_server(bad, "cdc"); });
  EXPECT_EQ(kind, ErrorKind::config);
  EXPECT_THAT(
      text, AllOf(HasSubstr("log_bin is off"), HasSubstr("SET GLOBAL server_id = 1;"),
                  HasSubstr("binlog_format is MIXED"), HasSubstr("SET GLOBAL binlog_format = 'ROW';"),
                  HasSubstr("binlog_row_metadata is MINIMAL"), HasSubstr("SET GLOBAL binlog_row_metadata = 'FULL';")));
  bad.variables.erase("binlog_row_metadata");
  EXPECT_THAT(failure([&] { check_server(bad, "cdc"); }).first, HasSubstr("MySQL 8.0.1 or MariaDB 10.5 is the oldest"));
}

TEST(MysqlChecks, GrantsCountOnEveryDatabase) {
  ServerFacts bare = server();
  auto missing = [&](std::vector<std::string> grants) {
    bare.grants = std::move(grants);
    return failure([&] { check_server(bare, "cdc"); });
  };
  auto [text, kind] = missing({"GRANT USAGE ON *.* TO `cdc`@`%`"});
  EXPECT_EQ(kind, ErrorKind::auth);
  EXPECT_THAT(text, AllOf(HasSubstr("GRANT REPLICATION SLAVE ON *.* TO 'cdc';"),
                          HasSubstr("GRANT REPLICATION CLIENT ON *.* TO 'cdc';")));
  EXPECT_THAT(missing({"GRANT ALL PRIVILEGES ON `shop`.* TO `cdc`@`%`"}).first, HasSubstr("GRANT REPLICATION SLAVE"));
  for (const char* enough :
       {"GRANT ALL PRIVILEGES ON *.* TO `cdc`@`%`", "GRANT REPLICATION REPLICA, BINLOG MONITOR ON *.* TO `cdc`@`%`",
        "GRANT SELECT, REPLICATION SLAVE, SUPER ON *.* TO `cdc`@`%` IDENTIFIED BY PASSWORD '*'"})
    EXPECT_EQ(missing({enough}).first, "no error") << enough;
}

TEST(MysqlChecks, AServerThatLacksOrPurged) {
  const LogFacts log = log_of(Mode::mysql_gtid, ours("1-9"), ours("1-3"));
  EXPECT_THAT(
      lost(position(Mode::mysql_gtid, ours("1-12")), server(), log),
      AllOf(HasSubstr("lacks transactions that were delivered: " + ours("10-12")), HasSubstr("DELETE FROM kv")));
  EXPECT_THAT(lost(position(Mode::mysql_gtid, ours("1")), server(), log),
              HasSubstr("purged transactions that were not delivered: " + ours("2-3")));
  auto [text, kind] = failure([&] { check_lane(position(Mode::mysql_gtid, ours("1-12")), server(), log); });
  EXPECT_EQ(kind, ErrorKind::position_lost) << text;
  EXPECT_THAT(
      lost(position(Mode::mariadb_gtid, "0-1-10"), server(Flavor::mariadb), log_of(Mode::mariadb_gtid, "0-1-9")),
      HasSubstr("lacks the delivered transaction 0-1-10; its log ends at 0-1-9"));
}

TEST(MysqlChecks, ALogThatWasReset) {
  LogFacts mariadb = log_of(Mode::mariadb_gtid, "0-1-9");
  mariadb.mariadb_at_place = "0-1-2";
  EXPECT_THAT(lost(position(Mode::mariadb_gtid, "0-1-5"), server(Flavor::mariadb), mariadb),
              HasSubstr("bin.000002:100 of the server's log holds 0-1-2, and held 0-1-5"));
  BinlogPosition promoted = position(Mode::mariadb_gtid, "0-1-5");
  promoted.server_id = 8;  // the place is in another log
  check_position(promoted, server(Flavor::mariadb), mariadb);

  const LogFacts log = log_of(Mode::file);
  EXPECT_THAT(lost(position(Mode::file, "", "bin.000002", 201), server(), log), HasSubstr("ends at 200"));
  EXPECT_THAT(lost(position(Mode::file, "", "bin.000001"), server(), log),
              HasSubstr("no longer has the file bin.000001 (it begins at bin.000002)"));
}

TEST(MysqlChecks, ALogThatIsResetWhileItIsRead) {
  Place read;
  read.enter("bin.000003", 400);
  const BinlogPosition start = position(Mode::mysql_gtid, ours("1-5"));
  auto check = [&](const std::string& gtids, const std::string& file, std::uint64_t pos) {
    return failure([&] { check_end(position(Mode::mysql_gtid, gtids, file, pos), start, server(), read); });
  };
  EXPECT_EQ(check(ours("1-5"), "bin.000003", 400).first, "no error");
  EXPECT_EQ(check(ours("1-9"), "bin.000004", 4).first, "no error");
  for (const auto& [text, kind] : {check(ours("1-5"), "bin.000003", 399), check(ours("1-5"), "bin.000001", 900),
                                   check(ours("1-2"), "bin.000003", 900)}) {
    EXPECT_EQ(kind, ErrorKind::position_lost);
    EXPECT_THAT(text, AllOf(HasSubstr("reset"), HasSubstr("DELETE FROM kv")));
  }
}

TEST(MysqlChecks, AnotherServerOrAnotherWayToNumber) {
  BinlogPosition other = position(Mode::file);
  other.server_uuid = "00112233-4455-6677-8899-aabbccddeeff";
  EXPECT_THAT(lost(other, server(), log_of(Mode::file)), HasSubstr("another server"));
  const BinlogPosition mysql = position(Mode::mysql_gtid, ours("1"));
  EXPECT_THAT(lost(mysql, server(Flavor::mariadb), log_of(Mode::mariadb_gtid, "0-1-9")),
              HasSubstr("another kind of server"));
  EXPECT_THAT(lost(position(Mode::mariadb_gtid, "0-1-5"), server(), log_of(Mode::mysql_gtid, ours("1-9"))),
              HasSubstr("another kind of server"));
  ServerFacts off = server();
  off.variables["gtid_mode"] = "OFF";
  EXPECT_THAT(lost(mysql, off, log_of(Mode::file)), HasSubstr("SET GLOBAL gtid_mode = ON"));
}

}  // namespace
}  // namespace deltaforge::sources::mysql
