// Configuration, URIs, the bytes of entries, how chunks are cut by what they hold. No network.
#include "sinks/redis/redis.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/link.h"
#include "config/echo.h"
#include "core/component.h"
#include "core/event_cursor.h"
#include "encode/make_encoder.h"
#include "sinks/redis/bulk.h"
#include "sinks/redis/config.h"
#include "sinks/redis/entry.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/config_check.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::redis {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Component {
  using Config = redis::Config;
};

std::string problems(const std::string& more, Config* out = nullptr) {
  return testing::problems<Component>("id: r\nuri: redis://127.0.0.1\nstream: orders\n" + more, out);
}

std::string uri_problem(const std::string& uri) {
  return testing::problems<Component>("id: r\nstream: orders\nuri: \"" + uri + "\"\n");
}

Target target_of(const std::string& uri) {
  auto parsed = parse_uri(config::Secret(uri));
  EXPECT_TRUE(std::holds_alternative<Target>(parsed)) << std::get<UriProblem>(parsed);
  return std::get<Target>(parsed);
}

TEST(RedisConfig, TheExamplesOfTheBookLoad) {
  Config config;
  EXPECT_THAT(problems("required: true\nenvelope: {type: debezium}\nkey: \"${after.id}\"\n", &config), IsEmpty());
  EXPECT_EQ(config.send_timeout_secs, 5);
  EXPECT_EQ(config.batch_timeout_secs, 30);
  EXPECT_EQ(config.connect_timeout_secs, 10);
  EXPECT_THAT(testing::problems<Component>("id: r\nuri: redis://h\nstream: \"events:${source.table}\"\n"), IsEmpty());
}

TEST(RedisConfig, AllProblemsAtOnce) {
  EXPECT_THAT(testing::problems<Component>("id: r\nurl: redis://h\n"),
              AllOf(HasSubstr("did you mean 'uri'"), HasSubstr("stream")));
  EXPECT_THAT(problems("exactly_once: true\nmaxlen_exact: true\nmaxlne: 5\ntls: {cert_file: /c.pem}\n"),
              AllOf(HasSubstr("not in this build: exactly_once for redis"), HasSubstr("needs maxlen"),
                    HasSubstr("did you mean 'maxlen'"), HasSubstr("write rediss://"), HasSubstr("belong together")));
  EXPECT_THAT(problems("maxlen: 0\n"), HasSubstr("maxlen"));
  EXPECT_THAT(problems("payload_field: body\n"), HasSubstr("df-event"));
  EXPECT_THAT(problems("key: ${after}\n"), HasSubstr("key"));
  EXPECT_THAT(testing::problems<Component>("id: r\nuri: redis://h\nstream: x.${table}\n"),
              HasSubstr("${source.table}"));
}

TEST(RedisConfig, AStreamThatNoEventCanHaveIsRefused) {
  const auto of_stream = [](const std::string& stream) {
    return testing::problems<Component>("id: r\nuri: redis://h\nstream: \"" + stream + "\"\n");
  };
  for (const char* bad : {"orders ${source.table}", "a..${op}", "${op}.", "${op}*"})
    EXPECT_THAT(of_stream(bad), HasSubstr("stream: every event would be refused: it has a")) << bad;
  for (const char* good : {"my orders", "a..b", "${op}.${source.table}"}) EXPECT_THAT(of_stream(good), IsEmpty());
}

TEST(RedisConfig, WhatIsWrongWithAUriIsSaidWithoutItsPassword) {
  EXPECT_THAT(uri_problem("http://u:canary@h"), AllOf(HasSubstr("redis://"), Not(HasSubstr("canary"))));
  EXPECT_THAT(uri_problem("redis+cluster://h"), HasSubstr("not in this build"));
  EXPECT_THAT(uri_problem("redis://u:canary%2@h"), AllOf(HasSubstr("hex digits"), Not(HasSubstr("canary"))));
  EXPECT_THAT(uri_problem("redis://canary@h"), AllOf(HasSubstr("no password"), Not(HasSubstr("canary"))));
  EXPECT_THAT(uri_problem("redis://h:port"), HasSubstr("port"));
  EXPECT_THAT(uri_problem("redis://h:0"), HasSubstr("port"));
  EXPECT_THAT(uri_problem("redis://[::1"), HasSubstr("]"));
  EXPECT_THAT(uri_problem("redis://h/zero"), HasSubstr("database"));
  EXPECT_THAT(uri_problem("redis://h?db=1"), HasSubstr("options"));
  EXPECT_THAT(uri_problem("redis://h:6379,h:6380"), HasSubstr("port"));
}

TEST(RedisConfig, TheUriDoesNotShow) {
  Config config;
  EXPECT_THAT(testing::problems<Component>("id: r\nuri: redis://u:canary@h\nstream: s\nmaxlen: 5\n", &config),
              IsEmpty());
  config::Echo echo;
  Config::spec().echo(config, echo);
  EXPECT_THAT(echo.text(), AllOf(Not(HasSubstr("canary")), HasSubstr("***"), HasSubstr("\"maxlen\":5")));
}

TEST(RedisUri, Parts) {
  Target target = target_of("rediss://app:p%40ss@redis.example:6380/3");
  EXPECT_TRUE(target.tls);
  EXPECT_EQ(target.user, "app");
  EXPECT_EQ(target.password.reveal(), "p@ss");
  EXPECT_EQ(target.where(), "redis.example:6380");
  EXPECT_EQ(target.database, 3u);
  EXPECT_FALSE(is_loopback(target.host));

  target = target_of("redis://:p/w@d@[::1]:1/");
  EXPECT_EQ(target.user, "");
  EXPECT_EQ(target.password.reveal(), "p/w@d");
  EXPECT_EQ(target.where(), "[::1]:1");
  EXPECT_TRUE(is_loopback(target.host));

  target = target_of("redis://");
  EXPECT_EQ(target.where(), "localhost:6379");
  EXPECT_TRUE(is_loopback(target_of("redis://127.0.0.1").host));
  EXPECT_EQ(target_of("redis://:7000").where(), "localhost:7000");
}

TEST(RedisBulk, TheLengthFitsWhateverWasExpected) {
  for (std::size_t expected : {0u, 9u, 10u, 99u, 100u, 123456u})
    for (std::size_t size : {0u, 9u, 10u, 99u, 100u, 5000u}) {
      Slab out;
      out.append("x");
      Bulk bulk(out, expected);
      const std::string text(size, 'a');
      if (size > 0) out.append(text);
      EXPECT_EQ(bulk.close(), size);
      EXPECT_EQ(out.view(), "x" + bulk_text(text)) << expected << " " << size;
    }
}

class RedisEntry : public ::testing::Test {
 protected:
  // The arguments of the command that an event becomes; a refusal is {"!", kind, reason}.
  std::vector<std::string> entry(const Delivery& delivery, const std::string& more = "",
                                 std::size_t largest = 1 << 30) {
    Config config;
    EXPECT_THAT(testing::problems<Component>("id: r\nuri: redis://h\n" + more, &config), IsEmpty());
    SinkContext context;
    context.pipeline = "shop";
    context.tenant = "acme";
    EntryWriter writer(config, context);
    writer.limit_values(largest);
    Slab out;
    out.append("before");
    const auto refusal = writer.append(*delivery.batch, delivery.batch->event(0), out);
    if (refusal) {
      EXPECT_EQ(out.view(), "before");
      return {"!", std::string(refusal->kind), refusal->reason};
    }
    // A second one right behind it has the same bytes, now that all lengths are as expected.
    const std::string once(out.view().substr(6));
    EXPECT_FALSE(writer.append(*delivery.batch, delivery.batch->event(0), out));
    EXPECT_EQ(out.view(), "before" + once + once);
    return arguments(once);
  }
  static std::vector<std::string> arguments(const std::string& command) {
    std::size_t at = command.find("\r\n") + 2;
    EXPECT_EQ(command[0], '*');
    const std::size_t count = std::stoul(command.substr(1));
    std::vector<std::string> found;
    while (at < command.size()) {
      EXPECT_EQ(command[at], '$');
      const std::size_t size = std::stoul(command.substr(at + 1));
      at = command.find("\r\n", at) + 2;
      found.push_back(command.substr(at, size));
      EXPECT_EQ(command.substr(at + size, 2), "\r\n");
      at += size + 2;
    }
    EXPECT_EQ(found.size(), count);
    return found;
  }
  static std::string payload(const Delivery& delivery) {
    Slab out;
    encode::make_encoder({}, {}, "acme")->encode(*delivery.batch, delivery.batch->event(0), out);
    return std::string(out.view());
  }
  using Words = std::vector<std::string>;
  testing::BatchBuilder batches_;
};

TEST_F(RedisEntry, FieldsInTheOrderOfTheBook) {
  batches_.insert(7);
  const Delivery delivery = batches_.build();
  const std::string body = payload(delivery), id = testing::member(body, "event_id");
  EXPECT_EQ(entry(delivery, "stream: orders\n"),
            (Words{"XADD", "orders", "*", "event", body, "event_id", id, "idempotency_key",
                   "acme|shop.orders|700|" + id, "df-key", "7"}));
}

TEST_F(RedisEntry, ThePayloadUnderItsOldName) {
  batches_.insert(7);
  const Delivery delivery = batches_.build();
  const std::string body = payload(delivery);
  Words words = entry(delivery, "stream: orders\npayload_field: df-event\n");
  EXPECT_EQ(words[3], "df-event");
  EXPECT_EQ(words.size(), 11u);
  words = entry(delivery, "stream: orders\npayload_field: both\n");
  EXPECT_EQ(Words(words.begin() + 3, words.begin() + 8), (Words{"event", body, "df-event", body, "event_id"}));
  EXPECT_EQ(words.size(), 13u);
}

TEST_F(RedisEntry, Trimming) {
  batches_.insert(7);
  const Delivery delivery = batches_.build();
  Words words = entry(delivery, "stream: orders\nmaxlen: 1000\n");
  EXPECT_EQ(Words(words.begin(), words.begin() + 7), (Words{"XADD", "orders", "MAXLEN", "~", "1000", "*", "event"}));
  words = entry(delivery, "stream: orders\nmaxlen: 7\nmaxlen_exact: true\n");
  EXPECT_EQ(Words(words.begin() + 2, words.begin() + 5), (Words{"MAXLEN", "=", "7"}));
}

TEST_F(RedisEntry, StreamAndKeyFromTheEvent) {
  batches_.insert(7);
  Delivery delivery = batches_.build();
  Words words =
      entry(delivery, "stream: \"events:${source.table}:${after.customer}\"\nkey: \"k-${after.note}\"\nmaxlen: 3\n");
  EXPECT_EQ(Words(words.begin(), words.begin() + 6),
            (Words{"XADD", "events:orders:customer-7", "MAXLEN", "~", "3", "*"}));
  EXPECT_EQ(words.back(), "k-a note");

  batches_.remove(8);
  delivery = batches_.build();
  EXPECT_EQ(entry(delivery, "stream: s\nkey: \"${after.note}\"\n").back(), "8");
  words = entry(delivery, "stream: \"s:${after.customer}\"\n");
  EXPECT_EQ(words[1], "routing");
  EXPECT_THAT(words[2], HasSubstr("${after.customer}"));

  batches_.insert(9, "");
  delivery = batches_.build();
  words = entry(delivery, "stream: \"${after.note}\"\n");
  EXPECT_EQ(words[1], "routing");
  EXPECT_THAT(words[2], HasSubstr("empty"));
}

TEST_F(RedisEntry, WhatCannotBeAnEntryIsRefused) {
  batches_.insert_poison(7);
  Words words = entry(batches_.build(), "stream: s\n");
  EXPECT_EQ(words[1], "serialization");
  EXPECT_THAT(words[2], HasSubstr("note"));
  batches_.insert(8, std::string(3000, 'x'));
  words = entry(batches_.build(), "stream: s\n", 2000);
  EXPECT_EQ(words[1], "too_large");
  EXPECT_THAT(words[2], AllOf(HasSubstr("proto-max-bulk-len"), HasSubstr("2000")));
}

TEST(EventCursor, GivesEachEventOnceAndCanGoBack) {
  testing::BatchBuilder batches;
  for (std::int64_t id = 0; id < 10; ++id) batches.insert(id).dropped = id == 3 || id == 9;
  batches.commit();
  batches.insert(10).dropped = true;
  Delivery delivery = batches.build();
  delivery.ranges = {{1, 1}, {2, 5}, {5, 5}, {8, 11}};
  EventCursor cursor(delivery);
  auto rest = [&] {
    std::vector<std::uint32_t> found;
    for (; !cursor.at_end(); cursor.pass()) found.push_back(cursor.index());
    return found;
  };
  EXPECT_EQ(cursor.index(), 2u);
  cursor.pass();
  const EventCursor::Place place = cursor.place();
  EXPECT_EQ(rest(), (std::vector<std::uint32_t>{4, 8}));
  EXPECT_TRUE(cursor.at_end());
  cursor.go_back(place);
  EXPECT_EQ(rest(), (std::vector<std::uint32_t>{4, 8}));
  cursor.begin_again();
  EXPECT_EQ(rest(), (std::vector<std::uint32_t>{2, 4, 8}));
  delivery.ranges = {{3, 4}, {9, 11}};
  EXPECT_TRUE(EventCursor(delivery).at_end());
}

}  // namespace
}  // namespace deltaforge::sinks::redis
