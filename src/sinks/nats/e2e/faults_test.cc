// What a server refuses, and what the operator then reads.
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/nats/e2e/maker.h"
#include "sinks/nats/e2e/server.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/lane.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::nats::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::sequence;

class NatsE2e : public ::testing::Test {
 protected:
  std::unique_ptr<Sink> open(const SinkMaker& made) {
    auto sink = made.build(lane_.context());
    sink->open();
    return sink;
  }
  SinkMaker to_stream(const std::string& more = "") {
    return maker(server_.url(), stream_ + ".orders", "stream: " + stream_ + "\n" + more);
  }
  Error open_error(const SinkMaker& made) {
    try {
      open(made);
    } catch (const Error& error) {
      return error;
    }
    return {ErrorKind::limit, "it could be opened"};
  }
  Fault fault(Sink& sink, const Delivery& delivery) {
    const auto answer = lane_.deliver(sink, delivery);
    EXPECT_TRUE(answer.outcome.fault);
    return answer.outcome.fault.value_or(Fault{});
  }
  std::vector<std::int64_t> ids() { return testing::row_ids(server_.events(stream_)); }

  Server& server_ = Server::shared();
  std::string stream_ = server_.new_stream();
  testing::BatchBuilder batches_;
  testing::Lane lane_;
};

TEST_F(NatsE2e, AMessageHasItsHeaders) {
  auto sink = open(to_stream());
  batches_.insert(7);
  ASSERT_TRUE(lane_.deliver(*sink, batches_.build()).delivered());
  const auto stored = server_.read(stream_);
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].subject, stream_ + ".orders");
  const std::string id = testing::member(stored[0].payload, "event_id");
  const std::map<std::string, std::string> expected{{"Nats-Msg-Id", "shop.n:_|shop.orders|700|" + id},
                                                    {"Nats-Expected-Last-Sequence", "0"},
                                                    {"df-key", "7"},
                                                    {"df-event-id", id},
                                                    {"content-type", "application/json"}};
  EXPECT_EQ(stored[0].headers, expected);
}

TEST_F(NatsE2e, WhatCameWithinTheWindowIsNotStoredAgain) {
  const Delivery first = batches_.rows(0, 300), second = batches_.rows(300, 300), third = batches_.rows(600, 10);
  ASSERT_TRUE(lane_.deliver(*open(to_stream()), first).delivered());
  auto sink = open(to_stream());
  for (const Delivery* each : {&first, &second, &third}) lane_.send(*sink, *each);
  ASSERT_TRUE(lane_.drain(*sink));
  for (const auto& answer : lane_.answers()) EXPECT_TRUE(answer.delivered());
  EXPECT_EQ(ids(), sequence(0, 610));
}

TEST_F(NatsE2e, AStreamThatIsMissingIsNamedAndTriedAgain) {
  const SinkMaker made = maker(server_.url(), "later.orders", "stream: LATER\n");
  const Error missing = open_error(made);
  EXPECT_EQ(missing.kind(), ErrorKind::unavailable);
  EXPECT_THAT(missing.what(), AllOf(HasSubstr("LATER"), HasSubstr("nats stream add LATER --subjects 'later.orders'")));
  server_.create("LATER", "[\"elsewhere.>\"]");
  const Error elsewhere = open_error(made);
  EXPECT_EQ(elsewhere.kind(), ErrorKind::unavailable);
  EXPECT_THAT(elsewhere.what(), AllOf(HasSubstr("later.orders"), HasSubstr("does not capture")));
  server_.change("LATER", "[\"elsewhere.>\",\"later.*\"]", "\"max_msgs\":-1");
  EXPECT_TRUE(lane_.deliver(*open(made), batches_.rows(0, 5)).delivered());
  server_.api("STREAM.DELETE.LATER");
}

TEST_F(NatsE2e, ASubjectThatTheStreamDoesNotCaptureIsNeverLeftToCoreNats) {
  auto sink = open(maker(server_.url(), "${after.note}.orders"));
  batches_.insert(1, stream_);
  ASSERT_TRUE(lane_.deliver(*sink, batches_.build()).delivered());
  batches_.insert(2, stream_);
  batches_.insert(3, "nobody");
  const Fault lost = fault(*sink, batches_.build());
  EXPECT_FALSE(lost.fatal);
  EXPECT_THAT(lost.message, AllOf(HasSubstr("nobody.orders"), HasSubstr("public.orders")));
  EXPECT_EQ(ids(), sequence(1, 2));
}

TEST_F(NatsE2e, WithoutAStreamEventsGoToWhoeverListens) {
  ::testing::internal::CaptureStderr();
  const SinkMaker made = maker(server_.url(), "core.orders");
  auto sink = open(made);
  EXPECT_TRUE(lane_.deliver(*sink, batches_.rows(0, 5)).delivered());
  sink = open(made);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("at most once"));
  EXPECT_EQ(log.find("at most once"), log.rfind("at most once"));
}

// The same configuration, so that the sink remembers: once there was a stream, core NATS will not do.
TEST_F(NatsE2e, AStreamThatIsDeletedIsMissed) {
  const SinkMaker made = maker(server_.url(), stream_ + ".orders");
  auto sink = open(made);
  ASSERT_TRUE(lane_.deliver(*sink, batches_.rows(0, 5)).delivered());
  server_.api("STREAM.DELETE." + stream_);
  const Delivery delivery = batches_.rows(5, 5);
  const Fault gone = fault(*sink, delivery);
  EXPECT_FALSE(gone.fatal);
  EXPECT_THAT(gone.message, HasSubstr(stream_ + ".orders"));
  const Error missing = open_error(made);
  EXPECT_EQ(missing.kind(), ErrorKind::unavailable);
  EXPECT_THAT(missing.what(), HasSubstr("any more"));
  server_.create(stream_, "[\"" + stream_ + ".>\"]");
  sink = open(made);
  ASSERT_TRUE(lane_.deliver(*sink, delivery).delivered());
  EXPECT_EQ(ids(), sequence(5, 5));
}

TEST_F(NatsE2e, AFullStreamIsTriedAgainAndNothingOvertakes) {
  server_.change(stream_, "[\"" + stream_ + ".>\"]", "\"discard\":\"new\",\"max_msgs\":12");
  auto sink = open(to_stream());
  const Delivery delivery = batches_.rows(0, 20), later = batches_.rows(20, 5);
  lane_.send(*sink, delivery);
  lane_.send(*sink, later);
  ASSERT_TRUE(lane_.drain(*sink));
  for (const auto& answer : lane_.answers()) {
    ASSERT_TRUE(answer.outcome.fault);
    EXPECT_FALSE(answer.outcome.fault->fatal);
    EXPECT_THAT(answer.outcome.fault->message,
                AllOf(HasSubstr("maximum messages exceeded"), HasSubstr(stream_), HasSubstr("public.orders")));
    EXPECT_THAT(answer.outcome.fault->hint, HasSubstr("discard"));
  }
  EXPECT_EQ(ids(), sequence(0, 12));
  server_.change(stream_, "[\"" + stream_ + ".>\"]", "\"discard\":\"new\",\"max_msgs\":-1");
  sink = open(to_stream());
  ASSERT_TRUE(lane_.deliver(*sink, delivery).delivered());
  ASSERT_TRUE(lane_.deliver(*sink, later).delivered());
  EXPECT_EQ(ids(), sequence(0, 25));
}

TEST_F(NatsE2e, AnotherWriterSlowsItDownAndNothingMoves) {
  ::testing::internal::CaptureStderr();
  auto sink = open(to_stream());
  std::vector<Delivery> deliveries;
  for (int i = 0; i < 5; ++i) {
    deliveries.push_back(batches_.rows(i * 100, 100));
    if (i == 1 || i == 3) server_.publish(stream_ + ".foreign", "{}");
    ASSERT_TRUE(lane_.deliver(*sink, deliveries.back()).delivered());
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("another writer"));
  std::vector<std::string> ours;
  for (const Stored& each : server_.read(stream_))
    if (each.subject == stream_ + ".orders") ours.push_back(each.payload);
  EXPECT_EQ(testing::row_ids(ours), sequence(0, 500));
}

TEST_F(NatsE2e, ARowThatIsTooLargeBlocks) {
  for (const bool streams : {true, false}) {
    if (streams) server_.change(stream_, "[\"" + stream_ + ".>\"]", "\"max_msg_size\":20000");
    testing::Lane lane;
    auto sink = to_stream().build(lane.context());
    sink->open();
    const std::size_t large = streams ? 20'000 : 8 * 1024 * 1024;
    for (int id = 0; id < 30; ++id) batches_.insert(id, std::string(id == 21 ? large : 10, 'x'));
    const Delivery delivery = batches_.build();
    lane.send(*sink, delivery);
    ASSERT_TRUE(lane.drain_or_block(*sink, std::chrono::seconds(20)));
    ASSERT_EQ(lane.answers().size(), 1u);
    const Outcome outcome = lane.answers().back().outcome;
    ASSERT_TRUE(outcome.refused) << (outcome.fault ? outcome.fault->message : "delivered");
    EXPECT_EQ(outcome.refused->event, 21u);
    EXPECT_EQ(outcome.refused->kind, "too_large");
    EXPECT_THAT(outcome.refused->reason, HasSubstr(streams ? "max_msg_size" : "max_payload"));
    sink.reset();
    if (streams) server_.change(stream_, "[\"" + stream_ + ".>\"]", "\"max_msg_size\":-1");
  }
  EXPECT_EQ(ids().size(), 42u);
}

// The stream's limit is lowered under way: the row is found all the same, and nothing behind it is stored.
TEST_F(NatsE2e, ALimitThatIsLoweredLater) {
  auto sink = open(to_stream());
  ASSERT_TRUE(lane_.deliver(*sink, batches_.rows(0, 5)).delivered());
  server_.change(stream_, "[\"" + stream_ + ".>\"]", "\"max_msg_size\":2000");
  for (int id = 5; id < 15; ++id) batches_.insert(id, std::string(id == 9 ? 3000 : 10, 'x'));
  const Delivery delivery = batches_.build();
  lane_.send(*sink, delivery);
  ASSERT_TRUE(lane_.drain_or_block(*sink, std::chrono::seconds(20)));
  const Outcome outcome = lane_.answers().back().outcome;
  ASSERT_TRUE(outcome.refused) << (outcome.fault ? outcome.fault->message : "delivered");
  EXPECT_EQ(outcome.refused->event, 4u);
  EXPECT_EQ(ids(), sequence(0, 9));
}

TEST_F(NatsE2e, AnEventWithoutASubjectBlocks) {
  auto sink = open(maker(server_.url(), stream_ + ".${after.note}", "stream: " + stream_ + "\n"));
  batches_.insert(1, "x");
  batches_.insert(2, "a b");
  batches_.insert(3, "x");
  const auto answer = lane_.deliver(*sink, batches_.build());
  ASSERT_TRUE(answer.outcome.refused);
  EXPECT_EQ(answer.outcome.refused->event, 1u);
  EXPECT_EQ(answer.outcome.refused->kind, "routing");
  EXPECT_EQ(ids(), sequence(1, 1));
}

TEST_F(NatsE2e, WithoutTheRightToPublishItStops) {
  server_.allow_only("[\"$JS.API.>\"]");
  auto sink = open(maker(server_.user_url(), stream_ + ".orders", "stream: " + stream_ + "\n"));
  const Fault forbidden = fault(*sink, batches_.rows(0, 5));
  EXPECT_TRUE(forbidden.fatal);
  EXPECT_EQ(forbidden.kind, ErrorKind::auth);
  EXPECT_THAT(forbidden.message, AllOf(HasSubstr("Publish"), HasSubstr(stream_ + ".orders")));
  server_.allow_only("[\"" + stream_ + ".>\"]");
  const Error blind =
      open_error(maker(server_.user_url(), stream_ + ".orders", "stream: " + stream_ + "\nsend_timeout_secs: 1\n"));
  EXPECT_EQ(blind.kind(), ErrorKind::auth);
  EXPECT_THAT(blind.what(), HasSubstr("STREAM.INFO"));
  server_.allow_only("[\">\"]");
}

TEST_F(NatsE2e, TheLoginOfTheFields) {
  const std::string with = "stream: " + stream_ + "\nusername: app\npassword: ";
  auto sink = open(maker(server_.url(), stream_ + ".orders", with + Server::kPassword + "\n"));
  EXPECT_TRUE(lane_.deliver(*sink, batches_.rows(0, 5)).delivered());
  const Error wrong = open_error(maker(server_.url(), stream_ + ".orders", with + "canary-wrong\n"));
  EXPECT_EQ(wrong.kind(), ErrorKind::auth);
  EXPECT_THAT(wrong.what(), AllOf(HasSubstr("uthorization"), Not(HasSubstr("canary"))));
}

TEST_F(NatsE2e, CertificatesAreChecked) {
  Server& server = Server::with_tls();
  const std::string stream = server.new_stream(), ca = "tls:\n  ca_file: " + server.ca_file() + "\n";
  const auto made = [&](const std::string& host, const std::string& more) {
    return maker(server.url(host), stream + ".orders", "stream: " + stream + "\n" + more);
  };
  auto sink = open(made("localhost", ca));
  EXPECT_TRUE(lane_.deliver(*sink, batches_.rows(0, 5)).delivered());
  const Error unknown = open_error(made("localhost", "tls: {}\n"));
  EXPECT_EQ(unknown.kind(), ErrorKind::auth) << unknown.what();
  EXPECT_THAT(unknown.what(), AllOf(HasSubstr("certificate"), HasSubstr("tls.ca_file")));
  EXPECT_EQ(open_error(made("127.0.0.1", ca)).kind(), ErrorKind::auth);
  EXPECT_EQ(open_error(made("localhost", "")).kind(), ErrorKind::auth);  // the server asks for TLS by itself
  EXPECT_EQ(open_error(made("localhost", "tls:\n  ca_file: /not/there.pem\n")).kind(), ErrorKind::config);
  sink = open(made("127.0.0.1", "tls:\n  insecure_skip_verify: true\n"));
  EXPECT_TRUE(lane_.deliver(*sink, batches_.rows(5, 5)).delivered());
  const Error plain = open_error(maker(server_.url("localhost"), stream_ + ".orders", ca));
  EXPECT_EQ(plain.kind(), ErrorKind::config) << plain.what();
  EXPECT_THAT(plain.what(), HasSubstr("no TLS"));
}

TEST_F(NatsE2e, NobodyAnswers) {
  const Error error = open_error(maker("\"nats://127.0.0.1:1, nats://127.0.0.1:2\"", "orders"));
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("127.0.0.1:1"), HasSubstr("url")));
}

TEST_F(NatsE2e, TheSecondServerIsTried) {
  auto sink =
      open(maker("\"nats://127.0.0.1:1," + server_.url() + "\"", stream_ + ".orders", "stream: " + stream_ + "\n"));
  EXPECT_TRUE(lane_.deliver(*sink, batches_.rows(0, 5)).delivered());
}

TEST_F(NatsE2e, AServerThatIsSilentIsGivenUp) {
  auto sink = open(to_stream("send_timeout_secs: 1\n"));
  server_.freeze(true);
  const auto began = std::chrono::steady_clock::now();
  const Delivery delivery = batches_.rows(0, 5);
  lane_.send(*sink, delivery);
  lane_.drain(*sink, std::chrono::seconds(6));
  server_.freeze(false);
  ASSERT_EQ(lane_.answers().size(), 1u);
  EXPECT_FALSE(lane_.answers()[0].outcome.fault->fatal);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

}  // namespace
}  // namespace deltaforge::sinks::nats::e2e
