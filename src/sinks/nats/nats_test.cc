// Configuration, URLs, subjects, the parts of messages. No network.
#include "sinks/nats/nats.h"

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/echo.h"
#include "encode/destination.h"
#include "encode/make_encoder.h"
#include "sinks/nats/config.h"
#include "sinks/nats/message.h"
#include "sinks/nats/nkey.h"
#include "sinks/nats/subject.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/config_check.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::nats {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Component {
  using Config = nats::Config;
};

std::string problems(const std::string& more, Config* out = nullptr) {
  return testing::problems<Component>("id: n\nurl: nats://127.0.0.1\nsubject: orders\n" + more, out);
}
std::string url_problem(const std::string& url) {
  return testing::problems<Component>("id: n\nsubject: orders\nurl: \"" + url + "\"\n");
}
std::string subject_config_problem(const std::string& subject) {
  return testing::problems<Component>("id: n\nurl: nats://h\nsubject: \"" + subject + "\"\n");
}
Servers servers_of(const std::string& url) {
  auto parsed = parse_servers(config::Secret(url));
  EXPECT_TRUE(std::holds_alternative<Servers>(parsed)) << std::get<UrlProblem>(parsed);
  return std::get<Servers>(parsed);
}

TEST(NatsConfig, TheExamplesOfTheBookLoad) {
  Config config;
  EXPECT_THAT(problems("stream: ORDERS\nrequired: true\nsend_timeout_secs: 5\nkey: \"${after.id}\"\n", &config),
              IsEmpty());
  EXPECT_EQ(config.stream, "ORDERS");
  EXPECT_EQ(config.send_timeout_secs, 5);
  EXPECT_EQ(config.batch_timeout_secs, 30);
  EXPECT_EQ(config.connect_timeout_secs, 10);
  EXPECT_THAT(subject_config_problem("cdc.${source.db}.${source.table}"), IsEmpty());
  EXPECT_THAT(problems("credentials_file: /etc/nats/user.creds\n"), IsEmpty());
  EXPECT_THAT(problems("username: u\npassword: p\n"), IsEmpty());
  EXPECT_THAT(problems("token: t\n"), IsEmpty());
}

TEST(NatsConfig, AllProblemsAtOnce) {
  EXPECT_THAT(testing::problems<Component>("id: n\nurls: nats://h\n"),
              AllOf(HasSubstr("did you mean 'url'"), HasSubstr("subject")));
  EXPECT_THAT(
      problems("exactly_once: true\nstream: a.b\nsend_timeout_secs: 0\ntls: {cert_file: /c.pem}\nusername: u\n"),
      AllOf(HasSubstr("not in this build: exactly_once for nats"), HasSubstr("no valid name of a stream"),
            HasSubstr("send_timeout_secs"), HasSubstr("cert_file and key_file belong together"),
            HasSubstr("username and password belong together")));
  EXPECT_THAT(problems("token: t\nnkey: /n\n"), HasSubstr("more than one way to log in"));
  EXPECT_THAT(testing::problems<Component>("id: n\nurl: nats://u:p@h\nsubject: s\ntoken: t\n"),
              HasSubstr("more than one way to log in"));
}

TEST(NatsConfig, SubjectsThatNothingCanBePublishedTo) {
  for (const char* subject : {"orders.*", "orders.>", "orders events", ".orders", "orders.", "a..b", "$JS.API.x",
                              "$SYS.x", "_INBOX.x", "cdc..${source.table}", "cdc.*.${source.table}", "cdc ${op}"})
    EXPECT_THAT(subject_config_problem(subject), HasSubstr("nothing can be published")) << subject;
  for (const char* subject : {"orders", "$KV.bucket.key", "a.b-c_d/e", "${source.table}", "${source.db}.x.${op}"})
    EXPECT_THAT(subject_config_problem(subject), IsEmpty()) << subject;
}

TEST(NatsConfig, WhatIsWrongWithAUrlIsSaidWithoutItsPassword) {
  EXPECT_THAT(url_problem("http://u:canary@h"), AllOf(HasSubstr("nats://"), Not(HasSubstr("canary"))));
  EXPECT_THAT(url_problem("ws://h"), HasSubstr("not in this build"));
  EXPECT_THAT(url_problem("nats://u:canary%2@h"), AllOf(HasSubstr("hex digits"), Not(HasSubstr("canary"))));
  EXPECT_THAT(url_problem("nats://u:@h"), HasSubstr("half a login"));
  EXPECT_THAT(url_problem("nats://h:port"), HasSubstr("port"));
  EXPECT_THAT(url_problem("nats://h:0"), HasSubstr("port"));
  EXPECT_THAT(url_problem("nats://[::1"), HasSubstr("]"));
  EXPECT_THAT(url_problem("nats://h/x"), HasSubstr("behind the port"));
  EXPECT_THAT(url_problem("nats://"), HasSubstr("host"));
  EXPECT_THAT(url_problem("nats://a,tls://b"), HasSubstr("others are not"));
  EXPECT_THAT(url_problem("nats://u:canary1@a,nats://u:canary2@b"),
              AllOf(HasSubstr("one for all"), Not(HasSubstr("canary"))));
}

TEST(NatsConfig, SecretsDoNotShow) {
  Config config;
  EXPECT_THAT(testing::problems<Component>("id: n\nurl: nats://u:canary1@h\nsubject: s\n", &config), IsEmpty());
  config.password = config::Secret("canary2");
  config.token = config::Secret("canary3");
  config::Echo echo;
  Config::spec().echo(config, echo);
  EXPECT_THAT(echo.text(), AllOf(Not(HasSubstr("canary")), HasSubstr("***")));
}

TEST(NatsUrl, Parts) {
  // A comma ends a server; in a password it is %2c.
  EXPECT_EQ(servers_of("nats://app:p%40s%2cs@a.example, nats://b:4223/").where(), "a.example:4222, b:4223");
  Servers servers = servers_of("nats://app:p%40s%2cs@a.example");
  EXPECT_EQ(servers.user, "app");
  EXPECT_EQ(servers.password.reveal(), "p@s,s");
  EXPECT_FALSE(servers.tls());
  EXPECT_TRUE(is_remote(servers));
  servers = servers_of("tls://secret@[::1]:1");
  EXPECT_EQ(servers.token.reveal(), "secret");
  EXPECT_EQ(servers.where(), "[::1]:1");
  EXPECT_TRUE(servers.tls());
  EXPECT_FALSE(is_remote(servers));
  EXPECT_EQ(servers_of("localhost").where(), "localhost:4222");
  EXPECT_TRUE(is_remote(servers_of("nats://localhost,nats://other")));
}

TEST(NatsSubject, WhatIsStrictlyChecked) {
  const auto bad = [](std::string_view subject) {
    return !encode::destination_problem(subject).empty() || !server_problem(subject).empty();
  };
  EXPECT_TRUE(bad(""));
  EXPECT_TRUE(bad("a b"));
  EXPECT_TRUE(bad("a\tb"));
  EXPECT_TRUE(bad("a\r\nPUB x 0"));
  EXPECT_TRUE(bad(std::string_view("a\0b", 3)));
  EXPECT_TRUE(bad("a\x7f"));
  EXPECT_TRUE(bad("a.*.b"));
  EXPECT_TRUE(bad("a.>"));
  EXPECT_TRUE(bad("."));
  EXPECT_TRUE(bad("a..b"));
  EXPECT_TRUE(bad("a."));
  EXPECT_TRUE(bad("$JS.API.STREAM.DELETE.x"));
  EXPECT_TRUE(bad("$SYS.REQ.x"));
  EXPECT_TRUE(bad("_INBOX.abc"));
  EXPECT_TRUE(bad(std::string(1025, 'a')));
  EXPECT_FALSE(bad(std::string(1024, 'a')));
  EXPECT_FALSE(bad("caf\xc3\xa9.x"));
  EXPECT_FALSE(bad("$JSx.y"));
}

TEST(NatsSubject, WhatAStreamCaptures) {
  EXPECT_TRUE(captures("orders", "orders"));
  EXPECT_TRUE(captures("orders.>", "orders.a.b"));
  EXPECT_FALSE(captures("orders.>", "orders"));
  EXPECT_TRUE(captures("*.events", "orders.events"));
  EXPECT_FALSE(captures("*.events", "orders.x.events"));
  EXPECT_FALSE(captures("*", "a.b"));
  EXPECT_TRUE(captures(">", "a"));
  EXPECT_FALSE(captures("a.b", "a"));
  EXPECT_FALSE(captures("a", "a.b"));
  EXPECT_EQ(cover(config::Template("cdc.${source.db}.x")), "cdc.>");
  EXPECT_EQ(cover(config::Template("cdc.a${source.db}")), "cdc.>");
  EXPECT_EQ(cover(config::Template("${source.db}.x")), ">");
  EXPECT_EQ(cover(config::Template("cdc")), "cdc");
}

// Made with the reference tool of NKeys.
TEST(NatsNkey, ThePublicHalfOfASeed) {
  const std::string seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
  EXPECT_EQ(public_key_of(seed), "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4");
  EXPECT_EQ(find_seed("-----BEGIN USER NKEY SEED-----\n" + seed + "\n------END\n"), seed);
  EXPECT_EQ(find_seed("SU is how it begins\n"), "");
  EXPECT_EQ(public_key_of(""), "");
  std::string torn = seed;
  torn[20] = torn[20] == 'A' ? 'B' : 'A';
  EXPECT_EQ(public_key_of(torn), "");
  EXPECT_EQ(public_key_of("SA" + seed.substr(2)), "");
}

class NatsMessage : public ::testing::Test {
 protected:
  using Headers = std::map<std::string, std::string>;
  struct Made {
    std::string subject, payload, refused, reason;
    Headers headers;
    std::size_t headers_size = 0;
  };
  Made make(const Delivery& delivery, const std::string& more = "subject: orders\n") {
    Config config;
    EXPECT_THAT(testing::problems<Component>("id: n\nurl: nats://h\n" + more, &config), IsEmpty());
    SinkContext context;
    context.pipeline = "shop";
    context.tenant = "acme";
    MessageWriter writer(config, context);
    Slab slab;
    slab.append("left over");
    Made made;
    if (auto refusal = writer.write(*delivery.batch, delivery.batch->event(0), slab)) {
      made.refused = refusal->kind;
      made.reason = refusal->reason;
      return made;
    }
    made.subject = writer.subject(slab);
    made.payload = writer.payload(slab);
    std::istringstream lines{std::string(writer.headers(slab))};
    std::string line;
    while (std::getline(lines, line)) {
      const std::size_t colon = line.find(": ");
      EXPECT_TRUE(colon != std::string::npos && line.ends_with('\r')) << line;
      made.headers[line.substr(0, colon)] = line.substr(colon + 2, line.size() - colon - 3);
    }
    EXPECT_EQ(writer.message_id(slab), made.headers["Nats-Msg-Id"]);
    made.headers_size = writer.headers_size();
    std::size_t size = kHeadersFrame;
    for (const auto& [name, value] : made.headers) size += name.size() + value.size() + kHeaderFrame;
    EXPECT_EQ(made.headers_size, size);
    return made;
  }
  // One inserted row with what a processor has given it.
  Delivery with(const Extra& extra, std::int64_t id = 7) {
    batches_.insert(id).extra = &extra;
    return batches_.build();
  }
  testing::BatchBuilder batches_;
};

TEST_F(NatsMessage, HeadersOfTheBook) {
  batches_.insert(7);
  const Made made = make(batches_.build());
  EXPECT_EQ(made.subject, "orders");
  const std::string id = testing::member(made.payload, "event_id");
  EXPECT_EQ(made.headers, (Headers{{"Nats-Msg-Id", "shop.n:acme|shop.orders|700|" + id},
                                   {"df-key", "7"},
                                   {"df-event-id", id},
                                   {"content-type", "application/json"}}));
  batches_.insert(7);
  EXPECT_EQ(make(batches_.build(), "subject: o\nenvelope: {type: cloudevents, type_prefix: a.b}\n")
                .headers.at("content-type"),
            "application/cloudevents+json");
}

TEST_F(NatsMessage, SubjectAndKeyFromTheEvent) {
  batches_.insert(7);
  Made made = make(batches_.build(), "subject: \"cdc.${source.db}.${source.table}\"\nkey: \"k ${after.note}\"\n");
  EXPECT_EQ(made.subject, "cdc.shop.orders");
  EXPECT_EQ(made.headers["df-key"], "k a note");

  batches_.remove(8);
  made = make(batches_.build(), "subject: \"s.${after.customer}\"\n");
  EXPECT_EQ(made.refused, "routing");
  EXPECT_THAT(made.reason, HasSubstr("${after.customer}"));
  batches_.remove(8);
  EXPECT_EQ(make(batches_.build(), "subject: s\nkey: \"${after.note}\"\n").headers["df-key"], "8");
}

TEST_F(NatsMessage, ADestinationIsCheckedStrictly) {
  for (const char* note : {"", "a b", "*", ">", "a..b", ".", "x\ny", "a.>"}) {
    batches_.insert(7, note);
    const Made made = make(batches_.build(), "subject: \"cdc.${after.note}\"\n");
    EXPECT_EQ(made.refused, "routing") << note;
  }
  batches_.insert(7, "$JS.API.STREAM.DELETE.ORDERS");
  EXPECT_THAT(make(batches_.build(), "subject: \"${after.note}\"\n").reason, HasSubstr("server"));
}

TEST_F(NatsMessage, WhatAProcessorHasChosenGoesBeforeTheConfiguration) {
  const std::vector<Header> headers{{"x-tier", "high"}, {"x-empty", ""}};
  Extra extra;
  extra.topic = "orders.priority";
  extra.key = "cust";
  extra.headers = headers;
  Made made = make(with(extra), "subject: orders\nkey: \"${after.id}\"\n");
  EXPECT_EQ(made.subject, "orders.priority");
  EXPECT_EQ(made.headers["df-key"], "cust");
  EXPECT_EQ(made.headers["x-tier"], "high");
  EXPECT_EQ(made.headers["x-empty"], "");
  EXPECT_EQ(made.headers.size(), 6u);

  Extra key_only;
  key_only.key = "";
  made = make(with(key_only));
  EXPECT_EQ(made.subject, "orders");
  EXPECT_EQ(made.headers["df-key"], "");
  for (const char* topic : {"", "a b", "$SYS.x", "a.*"}) {
    Extra bad;
    bad.topic = topic;
    EXPECT_EQ(make(with(bad)).refused, "routing") << topic;
  }
}

TEST_F(NatsMessage, ValuesCannotBreakOutOfTheirHeader) {
  const std::vector<Header> headers{{"x-a", "1\r\nNats-Rollup: all"}, {"x-b", std::string_view("a\0b", 3)}};
  Extra extra;
  extra.key = std::string_view("k\r\n\0%", 5);
  extra.headers = headers;
  const Made made = make(with(extra));
  EXPECT_EQ(made.headers.at("x-a"), "1%0D%0ANats-Rollup: all");
  EXPECT_EQ(made.headers.at("x-b"), "a%00b");
  EXPECT_EQ(made.headers.at("df-key"), "k%0D%0A%00%");
}

TEST_F(NatsMessage, HeadersOfTheServerAndTheSinkStayTheirs) {
  const std::vector<Header> headers{{"Nats-Msg-Id", "x"},   {"nats-rollup", "all"},  {"NATS-EXPECTED-STREAM", "x"},
                                    {"DF-Key", "x"},        {"Content-Type", "x/y"}, {"x-kept", "1"},
                                    {"df-event-id", "ours"}};
  Extra extra;
  extra.headers = headers;
  const Made made = make(with(extra));
  EXPECT_EQ(made.headers.size(), 5u);
  EXPECT_THAT(made.headers.at("Nats-Msg-Id"), HasSubstr("shop.n:"));
  EXPECT_EQ(made.headers.at("df-key"), "7");
  EXPECT_EQ(made.headers.at("content-type"), "application/json");
  EXPECT_EQ(made.headers.at("df-event-id"), "ours");
  EXPECT_EQ(made.headers.at("x-kept"), "1");
  for (const char* name : {"", "a b", "a:b", "a\r\n", "\xc3\xa9"}) {
    const std::vector<Header> bad{{name, "x"}};
    Extra wrong;
    wrong.headers = bad;
    EXPECT_EQ(make(with(wrong)).refused, "routing") << name;
  }
}

TEST_F(NatsMessage, ARawPayloadIsJson) {
  Extra extra;
  extra.raw_payload = true;
  const Made made = make(with(extra), "subject: o\nenvelope: {type: cloudevents, type_prefix: a.b}\n");
  EXPECT_EQ(made.headers.at("content-type"), "application/json");
  EXPECT_THAT(made.payload, ::testing::StartsWith("{\"id\":7,"));
}

TEST_F(NatsMessage, WhatCannotBeEncodedIsRefused) {
  batches_.insert_poison(7);
  const Made made = make(batches_.build());
  EXPECT_EQ(made.refused, "serialization");
  EXPECT_THAT(made.reason, HasSubstr("note"));
}

}  // namespace
}  // namespace deltaforge::sinks::nats
