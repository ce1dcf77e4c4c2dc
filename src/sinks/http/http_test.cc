// Configuration, and the requests that events become. No network.
#include "sinks/http/http.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/echo.h"
#include "core/event_id.h"
#include "encode/make_encoder.h"
#include "sinks/http/config.h"
#include "sinks/http/request_writer.h"
#include "sinks/http/signer.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/config_check.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::http {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using Words = std::vector<std::string>;

struct Component {
  using Config = http::Config;
};

std::string problems(const std::string& more, Config* out = nullptr) {
  return testing::problems<Component>("id: h\nurl: https://api.example.com/events\n" + more, out);
}

std::string url_error(const std::string& url, const std::string& more = "") {
  return testing::problems<Component>("id: h\nurl: \"" + url + "\"\n" + more);
}

TEST(HttpConfig, TheExamplesOfTheBookLoad) {
  Config config;
  EXPECT_THAT(problems("method: POST\nheaders:\n  Authorization: \"Bearer x\"\n  X-Source: deltaforge\n"
                       "batch_mode: false\nrequired: true\nsend_timeout_secs: 10\n",
                       &config),
              IsEmpty());
  EXPECT_EQ(config.headers.at("X-Source").reveal(), "deltaforge");
  EXPECT_THAT(problems("", &config), IsEmpty());
  EXPECT_EQ(config.send_timeout_secs, 10);
  EXPECT_EQ(config.batch_timeout_secs, 30);
  EXPECT_EQ(config.connect_timeout_secs, 5);
  EXPECT_FALSE(config.batch_mode);
  EXPECT_FALSE(config.guards_addresses());
  EXPECT_THAT(url_error("https://api.example.com/cdc/${source.table}"), IsEmpty());
  EXPECT_THAT(url_error("https://${source.db}.api.internal/events", "allow_hosts: [\"*.api.internal\"]\n"), IsEmpty());
}

TEST(HttpConfig, AllProblemsAtOnce) {
  EXPECT_THAT(testing::problems<Component>("id: h\nuri: http://h\n"), AllOf(HasSubstr("did you mean 'url'")));
  EXPECT_THAT(testing::problems<Component>("id: h\n"), HasSubstr("url"));
  EXPECT_THAT(problems("method: GET\nbatch_mod: true\nsend_timeout_secs: 0\nkey: ${after}\nsignature: {header: x}\n"),
              AllOf(HasSubstr("POST, PUT, PATCH"), HasSubstr("did you mean 'batch_mode'"),
                    HasSubstr("send_timeout_secs"), HasSubstr("key"), HasSubstr("secret")));
  EXPECT_THAT(problems("exactly_once: true\n"), HasSubstr("exactly_once"));
}

TEST(HttpConfig, EachProblemHasItsPlaceAndItsRemedy) {
  EXPECT_THAT(url_error("ftp://h"), AllOf(StartsWith("test.yaml:2:6: "), HasSubstr("http:// or https://")));
  EXPECT_THAT(url_error("https://u:canary@h"), AllOf(HasSubstr("headers"), Not(HasSubstr("canary"))));
  EXPECT_THAT(url_error("https://h/${table}"), HasSubstr("${source.table}"));
  EXPECT_THAT(url_error("http://h", "tls: {ca_file: /ca.pem}\n"),
              AllOf(StartsWith("test.yaml:3:"), HasSubstr("https://")));
  EXPECT_THAT(problems("tls: {cert_file: /c.pem}\n"), HasSubstr("belong together"));
  EXPECT_THAT(problems("headers:\n  \"X Y\": canary\n"),
              AllOf(StartsWith("test.yaml:4:"), HasSubstr("no name of a header"), Not(HasSubstr("canary"))));
  EXPECT_THAT(problems("headers: {Content-Length: \"5\"}\n"), HasSubstr("leave it out"));
  EXPECT_THAT(problems("headers: {Df-Event-Id: x}\n"), HasSubstr("written by the sink"));
  EXPECT_THAT(problems("headers: {X: \"a\\r\\nY: canary\"}\n"),
              AllOf(HasSubstr("line break"), Not(HasSubstr("canary"))));
  EXPECT_THAT(problems("headers: [x]\n"), HasSubstr("Authorization"));
  EXPECT_EQ(problems("allow_hosts: [a]\n"), "") << "for those who send it through the API";
  EXPECT_THAT(url_error("https://${source.db}.h/", "allow_hosts: [\"h:80\"]\n"),
              AllOf(StartsWith("test.yaml:3:"), HasSubstr("without port")));
  EXPECT_THAT(problems("signature: {secret: x, header: Content-Length}\n"), HasSubstr("another name"));
  EXPECT_THAT(problems("signature: {secret: x, header: X-Sig}\nheaders: {x-sig: y}\n"), HasSubstr("another name"));
  EXPECT_THAT(problems("signature: {secret: \"\"}\n"), HasSubstr("secret"));
}

TEST(HttpConfig, SecretsDoNotShow) {
  Config config;
  EXPECT_THAT(
      problems("headers: {Authorization: canary-1, X-Source: canary-2}\nsignature: {secret: canary-3}\n", &config),
      IsEmpty());
  config::Echo echo;
  Config::spec().echo(config, echo);
  EXPECT_THAT(echo.text(), AllOf(Not(HasSubstr("canary")), HasSubstr("\"Authorization\":\"***\""),
                                 HasSubstr("\"X-Source\":\"***\""), HasSubstr("https://api.example.com/events")));
}

TEST(HttpConfig, WhoMayReachOurOwnNetwork) {
  Config config;
  EXPECT_THAT(problems("", &config), IsEmpty());
  EXPECT_FALSE(config.guards_addresses()) << "out of a file of the operator";
  config.url.by_request = true;
  EXPECT_TRUE(config.guards_addresses()) << "out of a request";
  config.url = {config::Template("https://${source.db}.h/"), false};
  EXPECT_TRUE(config.guards_addresses());
}

TEST(HttpSigner, KnownSums) {
  // `printf '%s' '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret`
  Signer signer(config::Secret("secret"));
  const std::string sum = "49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
  EXPECT_EQ(signer.sign("1700000000", "{\"a\":1}"), sum);
  EXPECT_NE(signer.sign("1700000001", "{\"a\":1}"), sum);
  EXPECT_EQ(signer.sign("1700000000", "{\"a\":1}"), sum) << "the same again";
}

TEST(HttpHeaders, WhatCannotStandInALineIsEncoded) {
  HeaderBlock block;
  block.add("a", "x\r\ny: z");
  block.add("b", std::string_view("\0\x7f\t\xc3\xbc%", 6));
  block.add("c", " ");
  block.leave_out("Expect");
  EXPECT_THAT(block.lines(), ElementsAre("a: x%0D%0Ay: z", "b: %00%7F\t\xc3\xbc%", "c;", "Expect:"));
  EXPECT_NE(block.list(), nullptr);
  block.clear();
  EXPECT_EQ(block.list(), nullptr);
}

class HttpRequest : public ::testing::Test {
 protected:
  struct Made {
    std::string url, body, refusal;
    Words headers;
    std::size_t events = 0;
    bool public_only = false;
  };
  // Of the first events of what was built.
  Made make(const std::string& more, std::size_t count = 1, const std::string& url = "https://h/events") {
    Config config;
    EXPECT_THAT(testing::problems<Component>("id: h\nurl: \"" + url + "\"\n" + more, &config), IsEmpty());
    SinkContext context;
    context.pipeline = "shop";
    context.tenant = "acme";
    RequestWriter writer(config, context);
    Exchange exchange(config);
    delivery_ = batches_.build();
    Parcel parcel(delivery_, Receipt(book_, 1, BatchSeq{1}), 0);
    Unit unit;
    unit.parcel = &parcel;
    unit.at_once = count;
    for (std::uint32_t i = 0; i < count; ++i) unit.events.push_back(i);
    Made made;
    if (const auto refusal = writer.write(unit, exchange)) {
      made.refusal = std::string(refusal->kind) + ": " + refusal->reason;
    } else {
      made = {exchange.url, exchange.body, "", exchange.headers.lines(), unit.sent, exchange.public_only};
    }
    return made;
  }
  std::string payload(std::uint32_t index, const encode::EnvelopeConfig& envelope = {}) {
    Slab out;
    encode::make_encoder(envelope, {}, "acme")->encode(*delivery_.batch, delivery_.batch->event(index), out);
    return std::string(out.view());
  }
  std::string id(std::uint32_t index) {
    const Event& event = delivery_.batch->event(index);
    return deltaforge::to_string(event_id(delivery_.batch->commits()[event.commit], event));
  }
  struct NoBook final : ReceiptBook {
    void complete(std::uint64_t, BatchSeq, Outcome&&) noexcept override {}
  } book_;
  testing::BatchBuilder batches_;
  Delivery delivery_;
};

TEST_F(HttpRequest, OneEvent) {
  batches_.insert(7);
  const Made made = make("headers: {Authorization: Bearer x}\n");
  EXPECT_EQ(made.url, "https://h/events");
  EXPECT_EQ(made.body, payload(0));
  EXPECT_THAT(made.headers,
              ElementsAre("Expect:", "Content-Type: application/json", "Authorization: Bearer x", "df-key: 7",
                          "Idempotency-Key: acme|shop.orders|700|" + id(0), "df-event-id: " + id(0)));
}

TEST_F(HttpRequest, KeyAndUrlFromTheEvent) {
  batches_.insert(7, "a/\xc3\xbc");
  const Made made = make("key: \"k-${after.customer}\"\n", 1, "https://h/${source.table}/${after.note}");
  EXPECT_EQ(made.url, "https://h/orders/a%2F%C3%BC");
  EXPECT_THAT(made.headers, Contains("df-key: k-customer-7"));
}

TEST_F(HttpRequest, CloudEvents) {
  batches_.insert(7);
  const std::string envelope = "envelope: {type: cloudevents, type_prefix: com.x}\n";
  EXPECT_THAT(make(envelope).headers, Contains("Content-Type: application/cloudevents+json"));
  batches_.insert(8);
  EXPECT_THAT(make(envelope + "batch_mode: true\n").headers,
              Contains("Content-Type: application/cloudevents-batch+json"));
  batches_.insert(9);
  EXPECT_THAT(make(envelope + "headers: {content-type: text/x}\n").headers,
              AllOf(Contains("content-type: text/x"), Not(Contains(StartsWith("Content-Type")))));
}

TEST_F(HttpRequest, AnArray) {
  for (std::int64_t id = 0; id < 3; ++id) batches_.insert(id);
  const Made made = make("batch_mode: true\n", 3);
  EXPECT_EQ(made.body, "[" + payload(0) + "," + payload(1) + "," + payload(2) + "]");
  EXPECT_EQ(made.events, 3u);
  EXPECT_THAT(made.headers, AllOf(Contains("Content-Type: application/json"), Not(Contains(StartsWith("df-"))),
                                  Contains(StartsWith("Idempotency-Key: acme|batch|3|"))));
}

TEST_F(HttpRequest, AnArrayEndsBeforeItIsTooLarge) {
  for (std::int64_t id = 0; id < 4; ++id) batches_.insert(id, std::string(400'000, 'x'));
  EXPECT_EQ(make("batch_mode: true\n", 4).events, 2u);
  batches_.insert(4, std::string(3'000'000, 'x'));
  batches_.insert(5);
  EXPECT_EQ(make("batch_mode: true\n", 2).events, 1u) << "a large event goes alone";
}

TEST_F(HttpRequest, WhatCannotBeWrittenIsRefused) {
  batches_.insert_poison(7);
  EXPECT_THAT(make("").refusal, AllOf(StartsWith("serialization: "), HasSubstr("note")));
  batches_.insert(8);
  batches_.insert_poison(9);
  EXPECT_EQ(make("batch_mode: true\n", 2).events, 1u) << "what stands before it goes";
  batches_.insert_poison(9);
  EXPECT_THAT(make("batch_mode: true\n").refusal, StartsWith("serialization: "));
  batches_.insert(10);
  EXPECT_THAT(make("", 1, "https://h/${before.note}").refusal,
              AllOf(StartsWith("routing: "), HasSubstr("before.note")));
  batches_.insert(11, std::string(70'000, 'k'));
  EXPECT_THAT(make("key: \"${after.note}\"\n").refusal, AllOf(StartsWith("too_large: "), HasSubstr("key")));
}

TEST_F(HttpRequest, WhatProcessorsAdd) {
  const std::vector<Header> headers{{"x-tier", "gold\r\nX-Evil: 1"}, {"Content-Length", "3"},
                                    {"authorization", "stolen"},     {"DF-Key", "k"},
                                    {"df-event-id", "outbox-1"},     {"x-sig", "forged"}};
  Extra extra;
  extra.topic = "elsewhere";
  extra.key = "routed";
  extra.headers = headers;
  batches_.insert(7).extra = &extra;
  const std::string more = "headers: {Authorization: mine}\nsignature: {secret: s, header: X-Sig}\n";
  const Made made = make(more);
  EXPECT_EQ(made.url, "https://h/events") << "a topic is not for HTTP";
  EXPECT_THAT(made.headers, AllOf(Contains("df-key: routed"), Contains("df-event-id: outbox-1"),
                                  Contains("x-tier: gold%0D%0AX-Evil: 1"), Contains("Authorization: mine")));
  const std::string all = ::testing::PrintToString(made.headers);
  EXPECT_THAT(all, AllOf(Not(HasSubstr("stolen")), Not(HasSubstr("forged")), Not(HasSubstr("Content-Length")),
                         Not(HasSubstr("DF-Key")), Not(HasSubstr(id(0) + "\", \"df"))));

  const std::vector<Header> bad{{"x y", "z"}};
  extra.headers = bad;
  batches_.insert(8).extra = &extra;
  EXPECT_THAT(make("").refusal, AllOf(StartsWith("routing: "), HasSubstr("header")));
}

TEST_F(HttpRequest, ASignature) {
  batches_.insert(7);
  const Made made = make("signature: {secret: s3cret}\n");
  std::string time, sum;
  for (const std::string& line : made.headers) {
    if (line.starts_with("df-timestamp: ")) time = line.substr(14);
    if (line.starts_with("df-signature: ")) sum = line.substr(14);
  }
  EXPECT_EQ(time.size(), 10u);
  EXPECT_EQ(sum, Signer(config::Secret("s3cret")).sign(time, made.body));
}

TEST_F(HttpRequest, TheGuardIsForHostsThatEventsName) {
  batches_.insert(7);
  EXPECT_FALSE(make("", 1, "https://h/${source.table}").public_only);
  batches_.insert(7);
  EXPECT_TRUE(make("", 1, "https://${source.db}.h/").public_only);
  batches_.insert(7);
  EXPECT_FALSE(make("allow_hosts: [shop.h]\n", 1, "https://${source.db}.h/").public_only);
  batches_.insert(7);
  EXPECT_TRUE(make("allow_hosts: [other.h]\n", 1, "https://${source.db}.h/").public_only);
}

}  // namespace
}  // namespace deltaforge::sinks::http
