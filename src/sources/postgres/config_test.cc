// The configuration of the source: what is accepted, and what is refused with which words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.h"
#include "sources/postgres/connection.h"
#include "sources/postgres/postgres.h"

namespace deltaforge::sources::postgres {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Read {
  Config config;
  std::string problems;
  std::string echo;
};

Read read(const std::string& more) {
  config::Report report;
  auto documents =
      config::parse("dsn: postgres://u:canary@db/app\nslot: s\npublication: p\n" + more, "pipe.yaml", report);
  Read result;
  if (documents.empty()) return {{}, report.text(), {}};
  Config::spec().parse(documents[0].root, result.config, report);
  result.config.check(documents[0].root, report);
  config::Echo echo;
  Config::spec().echo(result.config, echo);
  result.problems = report.text();
  result.echo = echo.text();
  return result;
}

TEST(Config, TheLeast) {
  Read it = read("");
  EXPECT_EQ(it.problems, "");
  EXPECT_EQ(it.config.dsn.reveal(), "postgres://u:canary@db/app");
  EXPECT_EQ(it.config.start_position.kind, StartPosition::Kind::earliest);
  EXPECT_THAT(it.echo, Not(HasSubstr("canary")));
}

TEST(Config, StartPositions) {
  EXPECT_EQ(read("start_position: earliest").config.start_position.kind, StartPosition::Kind::earliest);
  EXPECT_EQ(read("start_position: latest").config.start_position.kind, StartPosition::Kind::latest);
  for (const char* text :
       {"start_position: lsn:0/16B6C50", "start_position: {lsn: 0/16B6C50}", "start_position:\n  lsn: \"0/16B6C50\""}) {
    Read it = read(text);
    EXPECT_EQ(it.problems, "") << text;
    EXPECT_EQ(it.config.start_position.kind, StartPosition::Kind::lsn);
    EXPECT_EQ(it.config.start_position.lsn, Lsn{0x16B6C50});
    EXPECT_THAT(it.echo, HasSubstr("\"lsn:0/16B6C50\""));
  }
  for (const char* text : {"start_position: newest", "start_position: 0/16B6C50", "start_position: lsn:zz",
                           "start_position: {lsn: latest}", "start_position: {lsn: 0/1, x: 1}",
                           "start_position: {x: 1}", "start_position: [latest]"})
    EXPECT_THAT(read(text).problems, HasSubstr("pipe.yaml:4:")) << text;
}

TEST(Config, WhatIsNotInThisBuild) {
  for (const char* text :
       {"snapshot:", "snapshot: {mode: never}", "snapshot: {chunk_size: 5}", "outbox:", "on_schema_drift: adapt"})
    EXPECT_EQ(read(text).problems, "") << text;
  EXPECT_THAT(read("snapshot: {mode: initial}").problems, HasSubstr("not in this build: snapshot"));
  EXPECT_THAT(read("snapshot: {mode: always}").problems, HasSubstr("not in this build: snapshot"));
  EXPECT_THAT(read("on_schema_drift: halt").problems, HasSubstr("not in this build"));
}

TEST(Config, PrefixesOfMessages) {
  EXPECT_EQ(read("outbox: {prefixes: [outbox, 'app.%_x', '*']}").problems, "");
  EXPECT_THAT(read("outbox: {prefixes: ['']}").problems, HasSubstr("not a pattern of prefixes"));
  EXPECT_THAT(read("outbox: {prefix: [o]}").problems, HasSubstr("did you mean 'prefixes'"));
}

TEST(Config, NamesAndPatterns) {
  EXPECT_EQ(read("tables: [public.orders, orders, public.order_*, '%.audit_log']").problems, "");
  EXPECT_THAT(read("tables: public.orders.x.y\nslots: 1").problems, HasSubstr("did you mean 'slot'"));
  config::Report report;
  auto documents =
      config::parse("dsn: 'user=u passwort=canary canary2'\nslot: My-Slot\npublication: ''", "pipe.yaml", report);
  Config config;
  Config::spec().parse(documents[0].root, config, report);
  config.check(documents[0].root, report);
  EXPECT_THAT(report.text(), HasSubstr("a slot name has 1 to 63 of"));
  EXPECT_THAT(report.text(), HasSubstr("pipe.yaml:1:6: dsn: not a PostgreSQL connection string"));
  EXPECT_THAT(report.text(), HasSubstr("publication"));
  EXPECT_THAT(report.text(), Not(HasSubstr("canary")));
}

TEST(Dsn, ProblemsNeverQuoteIt) {
  EXPECT_EQ(dsn_problem(config::Secret("postgresql://u:p@[::1]:5432/db?sslmode=verify-full")), std::nullopt);
  EXPECT_EQ(dsn_problem(config::Secret("postgresql://u:p%40%2F@h:1,[::1]:2,i/db?application_name=a@b")), std::nullopt);
  EXPECT_EQ(dsn_problem(config::Secret("postgresql:///db?host=/run/postgresql&user=u")), std::nullopt);
  EXPECT_EQ(dsn_problem(config::Secret("host=a,b user=u password='with space' target_session_attrs=read-write")),
            std::nullopt);
  for (const char* bad :
       {"canary", "host=h canary", "host=h password='canary", "postgres://u:canary@[::1/db",
        "postgres://u:canary%zz@h/db", "postgres://u:p@h/db?canary=1", "host=h canary=1", "postgres://u:p@canary@h/db",
        "postgres://u:canary/p@h/db", "postgres://u:canary/p?q@h/db", "postgres://u:p?q@canary@h/db"}) {
    auto problem = dsn_problem(config::Secret(bad));
    ASSERT_TRUE(problem) << bad;
    EXPECT_THAT(*problem, Not(HasSubstr("canary"))) << bad;
    EXPECT_FALSE(problem->empty());
  }
}

}  // namespace
}  // namespace deltaforge::sources::postgres
