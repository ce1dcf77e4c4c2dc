// What a server answers, or does not, and what the sink makes of it.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/plan.h"
#include "sinks/http/e2e/maker.h"
#include "sinks/http/e2e/receiver.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/lane.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::http::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::row_ids;
using testing::sequence;
using Ids = std::vector<std::int64_t>;

class HttpE2e : public ::testing::Test {
 protected:
  ~HttpE2e() override { receiver_.rules("[]"); }
  Sink& open(const std::string& more = "", const std::string& url = "") {
    sink_.reset();
    sink_ = maker(url.empty() ? receiver_.url() + path_ : url, more).build(lane_.context());
    sink_->open();
    return *sink_;
  }
  std::vector<Request> requests() const { return receiver_.requests(path_); }
  Ids ids() const { return row_ids(receiver_.events(path_)); }
  // `@` stands for the path of this test.
  void rule(std::string text) {
    for (std::size_t at = 0; (at = text.find('@', at)) != std::string::npos;)
      text.replace(at, 1, "\"path\": \"" + path_ + "\"");
    receiver_.rules(text);
  }
  static double since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  Receiver& receiver_ = Receiver::shared();
  std::string path_ = Receiver::new_path();
  testing::BatchBuilder batches_;
  testing::Lane lane_;
  std::unique_ptr<Sink> sink_;
};

TEST_F(HttpE2e, AThousandKeysAtTwentyMilliseconds) {
  rule(R"([{@, "delay": 0.02}])");
  open();
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(0, 1000)).delivered());
  EXPECT_LT(since(begin), 2.0);
  Ids found = ids();
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, sequence(0, 1000));
  std::set<int> links;
  for (const Request& request : requests()) links.insert(request.link);
  EXPECT_LE(links.size(), 64u) << "connections are kept";
}

TEST_F(HttpE2e, OfAKeyOneAfterTheOther) {
  rule(R"([{@, "delay": 0.002}])");
  open();
  for (int version = 0; version < 20; ++version)
    for (std::int64_t id = 0; id < 10; ++id) batches_.insert(id, "version " + std::to_string(version));
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.build()).delivered());
  std::map<std::string, double> ended;
  std::map<std::string, int> versions;
  std::size_t beside = 0;
  double last_end = 0;
  std::vector<Request> all = requests();
  std::sort(all.begin(), all.end(), [](const Request& a, const Request& b) { return a.begin < b.begin; });
  for (const Request& request : all) {
    const std::string key = request.headers.at("df-key");
    EXPECT_GE(request.begin, ended[key]) << "two of one key at once";
    ended[key] = request.end;
    EXPECT_EQ(testing::member(request.body, "note"), "version " + std::to_string(versions[key]++));
    beside += request.begin < last_end;
    last_end = std::max(last_end, request.end);
  }
  EXPECT_EQ(all.size(), 200u);
  EXPECT_GT(beside, 50u) << "other keys do not wait";
}

TEST_F(HttpE2e, TheRequest) {
  open("method: PATCH\nheaders: {Authorization: Bearer x, X-Empty: \"\"}\nsignature: {secret: s}\n",
       receiver_.url() + path_ + "${source.table}/${after.note}?t=${source.db}");
  batches_.insert(7, "a b/c");
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.build()).delivered());
  const auto found = requests();
  ASSERT_EQ(found.size(), 1u);
  const Request& one = found[0];
  EXPECT_EQ(one.method, "PATCH");
  EXPECT_EQ(one.path, path_ + "orders/a%20b%2Fc?t=shop");
  EXPECT_EQ(one.headers.at("authorization"), "Bearer x");
  EXPECT_EQ(one.headers.at("x-empty"), "");
  EXPECT_EQ(one.headers.at("content-type"), "application/json");
  EXPECT_EQ(one.headers.at("df-key"), "7");
  EXPECT_EQ(one.headers.at("df-event-id"), testing::member(one.body, "event_id"));
  EXPECT_EQ(one.headers.at("idempotency-key"), "_|shop.orders|700|" + one.headers.at("df-event-id"));
  EXPECT_EQ(one.headers.at("df-signature").size(), 64u);
  EXPECT_THAT(one.headers.at("user-agent"), ::testing::StartsWith("deltaforge/"));
  EXPECT_EQ(one.headers.count("expect"), 0u);
}

TEST_F(HttpE2e, ALargeBodyDoesNotWaitForAnInvitation) {
  open();
  batches_.insert(1, std::string(3 * 1024 * 1024, 'x'));
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.build()).delivered());
  EXPECT_LT(since(begin), 0.9);
  EXPECT_EQ(requests().at(0).headers.count("expect"), 0u);
}

TEST_F(HttpE2e, RetryAfterIsHonouredAndNothingElseIsRepeated) {
  open();
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(0, 5)).delivered());
  rule(R"([{@, "status": 429, "times": 2, "headers": {"Retry-After": "2"}}])");
  const auto begin = std::chrono::steady_clock::now();
  batches_.insert(5);
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.build()).delivered());
  EXPECT_GE(since(begin), 4.0);
  EXPECT_LT(since(begin), 6.0);
  EXPECT_EQ(lane_.trouble(), "");
  Ids found = ids();
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, sequence(0, 6));
  std::set<std::string> bodies, keys;
  std::size_t tries = 0;
  for (const Request& request : requests())
    if (request.headers.at("df-key") == "5") {
      bodies.insert(request.body);
      keys.insert(request.headers.at("idempotency-key"));
      ++tries;
    }
  EXPECT_EQ(tries, 3u);
  EXPECT_EQ(bodies.size(), 1u);
  EXPECT_EQ(keys.size(), 1u);
}

// One key is refused for a while; others pass it, its own events do not.
TEST_F(HttpE2e, OneKeyThatMustWaitDoesNotHoldTheOthers) {
  open();
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(100, 1)).delivered());
  rule(R"([{@, "body": "\"after\":{\"id\":3,", "status": 503, "times": 3}])");
  for (int version = 0; version < 2; ++version)
    for (std::int64_t id = 0; id < 6; ++id) batches_.insert(id, "version " + std::to_string(version));
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.build()).delivered());
  Ids found = ids();
  ASSERT_EQ(found.size(), 13u);
  EXPECT_EQ(Ids(found.end() - 2, found.end()), (Ids{3, 3}));
  EXPECT_EQ(requests().size(), 16u);
}

TEST_F(HttpE2e, WhatTheServerSaysIsShownWhileItLasts) {
  rule(R"([{@, "status": 503}])");
  open();
  const Delivery delivery = batches_.rows(0, 3);
  lane_.send(*sink_, delivery);
  EXPECT_FALSE(lane_.drain(*sink_, milliseconds(700)));
  EXPECT_THAT(lane_.trouble(),
              AllOf(HasSubstr("POST http://127.0.0.1:"), HasSubstr("503 Service Unavailable"), HasSubstr("again in")));
  receiver_.rules("[]");
  EXPECT_TRUE(lane_.drain(*sink_, seconds(10)));
  EXPECT_EQ(lane_.trouble(), "");
}

TEST_F(HttpE2e, AServerThatIsSilentIsAskedAgain) {
  rule(R"([{@, "act": "hang", "times": 1}, {@, "act": "close", "times": 1}])");
  open("send_timeout_secs: 1\n");
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(0, 1)).delivered());
  EXPECT_EQ(requests().size(), 3u);
  EXPECT_EQ(ids(), (Ids{0}));
}

TEST_F(HttpE2e, ARedirectIsNotFollowed) {
  rule(R"([{@, "status": 307, "headers": {"Location": "/elsewhere/"}}])");
  open();
  const Delivery delivery = batches_.rows(0, 1);
  lane_.send(*sink_, delivery);
  EXPECT_FALSE(lane_.drain(*sink_, milliseconds(500)));
  EXPECT_THAT(lane_.trouble(), AllOf(HasSubstr("307"), HasSubstr("redirects are not followed")));
  EXPECT_THAT(receiver_.requests("/elsewhere/"), IsEmpty());
}

TEST_F(HttpE2e, AHugeAnswerCountsAndIsNotRead) {
  rule(R"([{@, "act": "endless"}])");
  open();
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(0, 3)).delivered());
  EXPECT_LT(since(begin), 3.0);
  rule(R"([{@, "status": 422, "act": "endless"}])");
  EXPECT_TRUE(lane_.deliver(*sink_, batches_.rows(3, 1)).outcome.refused.has_value());
}

TEST_F(HttpE2e, ARefusedEventIsNamedAndBlocks) {
  open();
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(100, 1)).delivered());
  rule(R"([{@, "body": "\"after\":{\"id\":2,", "status": 422}])");
  for (std::int64_t id = 0; id < 5; ++id) batches_.insert(id);
  const Delivery delivery = batches_.build();
  lane_.send(*sink_, delivery);
  const Delivery later = batches_.rows(200, 5);
  lane_.send(*sink_, later);
  ASSERT_TRUE(lane_.drain_or_block(*sink_, seconds(5)));
  const testing::Answer answer = lane_.answers().back();
  ASSERT_TRUE(answer.outcome.refused);
  EXPECT_EQ(answer.outcome.refused->event, 2u);
  EXPECT_EQ(answer.outcome.refused->kind, "rejected");
  EXPECT_THAT(answer.outcome.refused->reason, AllOf(HasSubstr("422"), HasSubstr("POST http://")));
  const Ids found = ids();
  EXPECT_EQ(std::count(found.begin(), found.end(), 0), 1);
  EXPECT_EQ(std::count(found.begin(), found.end(), 1), 1);

  // The next sink is given the rest: it offers that event alone.
  Delivery rest = delivery;
  rest.ranges = {{2, 5}};
  const std::size_t before = requests().size();
  open();
  ASSERT_FALSE(lane_.deliver(*sink_, rest).delivered());
  EXPECT_EQ(requests().size(), before + 1);
  receiver_.rules("[]");
  open();
  ASSERT_TRUE(lane_.deliver(*sink_, rest).delivered());
  const Ids all = ids();
  EXPECT_EQ(std::count(all.begin(), all.end(), 2), 1);
  EXPECT_GE(std::count(all.begin(), all.end(), 4), 1);
}

TEST_F(HttpE2e, WhatStandsBeforeARefusedEventIsDelivered) {
  open();
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(100, 1)).delivered());
  rule(
      R"([{@, "body": "\"after\":{\"id\":0,", "status": 503, "times": 3}, {@, "body": "\"after\":{\"id\":1,", "status": 400}])");
  const Delivery delivery = batches_.rows(0, 3);
  lane_.send(*sink_, delivery);
  ASSERT_TRUE(lane_.drain(*sink_, seconds(5)));
  ASSERT_TRUE(lane_.answers().back().outcome.refused);
  EXPECT_EQ(lane_.answers().back().outcome.refused->event, 1u);
  const Ids found = ids();
  EXPECT_EQ(std::count(found.begin(), found.end(), 0), 1);
}

TEST_F(HttpE2e, ARefusedItemIsFoundBySplitting) {
  open("batch_mode: true\n");
  rule(R"([{@, "body": "\"after\":{\"id\":613,", "status": 422}])");
  for (std::int64_t id = 0; id < 1000; ++id) batches_.insert(id);
  const Delivery delivery = batches_.build();
  ASSERT_TRUE(lane_.deliver(*sink_, delivery).outcome.refused);
  EXPECT_EQ(lane_.answers().back().outcome.refused->event, 613u);
  EXPECT_EQ(ids(), sequence(0, 613)) << "what stands before it, once";
  EXPECT_LT(requests().size(), 60u);
}

// Two arrays that share a key; the first holds the refused event, the second one that stands before it.
TEST_F(HttpE2e, WhatStandsBeforeARefusedItemIsDeliveredFromEveryArray) {
  open("batch_mode: true\n", receiver_.url() + path_ + "${op}");
  rule(R"([{@, "body": "\"after\":{\"id\":2,", "status": 422}])");
  batches_.insert(1);
  batches_.remove(1);
  batches_.insert(2);
  batches_.remove(1);
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.build()).outcome.refused);
  EXPECT_EQ(lane_.answers().back().outcome.refused->event, 2u);
  EXPECT_EQ(ids(), (Ids{1, -1})) << "-1: the deletion has no `after`";
}

TEST_F(HttpE2e, AnArrayIsOneRequestAndTheSameOneAgain) {
  for (std::int64_t id = 0; id < 1000; ++id) batches_.insert(id);
  const Delivery delivery = batches_.build();
  ASSERT_TRUE(lane_.deliver(open("batch_mode: true\n"), delivery).delivered());
  ASSERT_TRUE(lane_.deliver(open("batch_mode: true\n"), delivery).delivered());
  const auto found = requests();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].body, found[1].body);
  EXPECT_EQ(found[0].headers.at("idempotency-key"), found[1].headers.at("idempotency-key"));
  EXPECT_EQ(row_ids(receiver_.events(path_)).size(), 2000u);
}

TEST_F(HttpE2e, AnArrayThatIsTooLargeForTheServerIsSentInParts) {
  open("batch_mode: true\n");
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(1000, 1)).delivered());
  rule(R"([{@, "status": 413, "times": 2}])");
  for (std::int64_t id = 0; id < 100; ++id) batches_.insert(id);
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.build()).delivered());
  Ids expected = sequence(0, 100);
  expected.insert(expected.begin(), 1000);
  EXPECT_EQ(ids(), expected);
}

TEST_F(HttpE2e, AnotherAuthorityIsNotTrusted) {
  const Delivery delivery = batches_.rows(0, 1);
  Fault fault = lane_.deliver(open("", receiver_.tls_url() + path_), delivery).outcome.fault.value_or(Fault{});
  EXPECT_TRUE(fault.fatal);
  EXPECT_EQ(fault.kind, ErrorKind::auth);
  EXPECT_THAT(fault.hint, HasSubstr("tls.ca_file"));
  const std::string ca = "tls: {ca_file: " + receiver_.ca_file() + "}\n";
  fault = lane_.deliver(open(ca, receiver_.tls_url("127.0.0.1") + path_), delivery).outcome.fault.value_or(Fault{});
  EXPECT_EQ(fault.kind, ErrorKind::auth) << "the certificate is for another name: " << fault.message;
  EXPECT_THAT(ids(), IsEmpty());
  EXPECT_TRUE(lane_.deliver(open(ca, receiver_.tls_url() + path_), delivery).delivered());
  EXPECT_TRUE(
      lane_.deliver(open("tls: {insecure_skip_verify: true}\n", receiver_.tls_url() + path_), delivery).delivered());
  EXPECT_THROW(open("tls: {ca_file: /nowhere/ca.pem}\n", receiver_.tls_url() + path_), Error);
}

TEST_F(HttpE2e, AProxyOfTheEnvironmentIsNotUsed) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  ::setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  EXPECT_TRUE(lane_.deliver(open(), batches_.rows(0, 1)).delivered());
  ::unsetenv("http_proxy");
  ::unsetenv("ALL_PROXY");
}

TEST_F(HttpE2e, AnEventCannotNameAHostOfOurOwnNetwork) {
  const std::string port = receiver_.url().substr(receiver_.url().rfind(':'));
  for (const char* host : {"127.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost"}) {
    batches_.insert(1, host);
    const Delivery delivery = batches_.build();
    const testing::Answer answer = lane_.deliver(open("", "http://${after.note}" + port + path_), delivery);
    ASSERT_TRUE(answer.outcome.refused) << host;
    EXPECT_EQ(answer.outcome.refused->kind, "routing") << host;
    EXPECT_THAT(answer.outcome.refused->reason, AllOf(HasSubstr("private address"), HasSubstr("allow_hosts"))) << host;
  }
  EXPECT_THAT(requests(), IsEmpty());
  batches_.insert(1, "localhost");
  EXPECT_TRUE(lane_.deliver(open("allow_hosts: [localhost]\n", "http://${after.note}" + port + path_), batches_.build())
                  .delivered());
}

std::string told(PlanReport& report) {
  std::string all;
  for (const Finding& finding : report.findings())
    all += (finding.kind == Finding::Kind::problem ? "problem: " : "") + finding.text + " | " + finding.remedy + "\n";
  return all;
}

TEST_F(HttpE2e, ThePlanSendsNothing) {
  PlanReport good;
  maker(receiver_.url() + path_ + "${source.table}").build(lane_.context())->plan(good);
  EXPECT_THAT(told(good), AllOf(HasSubstr("answers"), Not(HasSubstr("problem"))));
  PlanReport untrusted;
  maker(receiver_.tls_url() + path_).build(lane_.context())->plan(untrusted);
  EXPECT_THAT(told(untrusted), AllOf(HasSubstr("problem"), HasSubstr("tls.ca_file")));
  PlanReport away;
  maker("http://127.0.0.1:1/").build(lane_.context())->plan(away);
  EXPECT_THAT(told(away), AllOf(HasSubstr("problem"), HasSubstr("check host and port")));
  EXPECT_THAT(requests(), IsEmpty());
}

}  // namespace
}  // namespace deltaforge::sinks::http::e2e
