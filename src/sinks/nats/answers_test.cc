// What servers answer: acknowledgements, errors, streams; and what is under way until they do. No network.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/nats/ack.h"
#include "sinks/nats/classify.h"
#include "sinks/nats/flight.h"
#include "sinks/nats/streams.h"

namespace deltaforge::sinks::nats {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = Ack::Kind;

TEST(NatsAck, AsServersWriteThem) {
  Ack ack = parse_ack(R"({"stream":"ORDERS", "seq":18446744073709551615})");
  EXPECT_EQ(ack.kind, Kind::stored);
  EXPECT_EQ(ack.seq, 18446744073709551615u);
  EXPECT_EQ(ack.stream, stream_hash("ORDERS"));
  ack = parse_ack(R"({"stream":"S","domain":"hub","seq":5,"duplicate": true})");
  EXPECT_EQ(ack.kind, Kind::duplicate);
  EXPECT_EQ(ack.seq, 5u);
  // Of a stream with interest retention that nobody listens to.
  EXPECT_EQ(parse_ack(R"({"stream":"S", "seq":0,"duplicate": true})").kind, Kind::duplicate);
  ack = parse_ack(
      R"({"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 7"},"stream":"S","seq":0})");
  EXPECT_EQ(ack.kind, Kind::refused);
  EXPECT_EQ(ack.code, 10071u);
  EXPECT_EQ(ack.text, "wrong last sequence: 7");
}

TEST(NatsAck, WhatIsNoAcknowledgement) {
  for (const char* text :
       {"", "{", "{}", "null", "+OK", R"({"seq":5})", R"({"stream":"S"})", R"({"stream":"S","seq":-1})",
        R"({"stream":"S","seq":0})", R"({"stream":"S","seq":"5"})", R"({"stream":"S","seq":5.5})",
        R"({"stream":"S","seq":99999999999999999999999})", R"({"stream":5,"seq":5})"})
    EXPECT_EQ(parse_ack(text).kind, Kind::garbled) << text;
}

TEST(NatsAck, TheNumberOfAReply) {
  EXPECT_EQ(reply_number("_INBOX.abc.42"), 42u);
  EXPECT_EQ(reply_number("_INBOX.abc."), 0u);
  EXPECT_EQ(reply_number("_INBOX.abc.4x"), 0u);
  EXPECT_EQ(reply_number("42"), 0u);
}

TEST(NatsClassify, EveryErrorHasItsWay) {
  using Action = Verdict::Action;
  EXPECT_EQ(classify(10071, "wrong last sequence: 7").action, Action::not_next);
  EXPECT_EQ(classify(10164, "wrong last sequence").action, Action::not_next);
  EXPECT_EQ(classify(10070, "wrong last msg ID: x").action, Action::not_next);
  EXPECT_EQ(classify(10158, "duplicate message id is in process").action, Action::not_next);
  EXPECT_EQ(classify(10054, "message size exceeds maximum allowed").action, Action::too_large);
  EXPECT_EQ(classify(10077, "maximum bytes exceeded").action, Action::retry);
  EXPECT_THAT(classify(10077, "maximum bytes exceeded").hint, HasSubstr("discard"));
  EXPECT_THAT(classify(10077, "write: no space left on device").hint, HasSubstr("disk"));
  EXPECT_THAT(classify(10023, "insufficient resources").hint, HasSubstr("storage"));
  EXPECT_EQ(classify(10109, "invalid operation on sealed stream").action, Action::stop);
  EXPECT_EQ(classify(10109, "").kind, ErrorKind::config);
  // Servers before err_code, and what nobody knows.
  EXPECT_EQ(classify(0, "wrong last sequence: 3").action, Action::not_next);
  EXPECT_EQ(classify(0, "").action, Action::retry);
  EXPECT_EQ(classify(99999, "something new").action, Action::retry);
}

TEST(NatsStreams, WhatAServerSaysOfOne) {
  const Stream stream = parse_stream(
      R"({"type":"x","config":{"name":"ORDERS","subjects":["orders.>","x.*"],"max_msg_size":500,"discard":"new"},
          "state":{"messages":3,"last_seq":17}})",
      "ORDERS", "h:4222");
  EXPECT_EQ(stream.last_sequence, 17u);
  EXPECT_EQ(stream.next, 17u);
  EXPECT_EQ(stream.max_message, 500u);
  EXPECT_FALSE(stream.without_acks);
  EXPECT_TRUE(stream.takes("orders.a.b"));
  EXPECT_TRUE(stream.takes("x.y"));
  EXPECT_FALSE(stream.takes("orders"));
  EXPECT_FALSE(parse_stream(R"({"config":{"max_msg_size":-1},"state":{"last_seq":0}})", "S", "h").max_message);
}

TEST(NatsStreams, WhatIsNoAnswer) {
  for (const char* text : {"", "[]", "{}", R"({"config":[],"state":{}})", R"({"config":{},"state":{"last_seq":-4}})",
                           R"({"config":{},"state":{"last_seq":"7"}})", "{\"config\":"})
    EXPECT_THROW(parse_stream(text, "S", "h"), Error) << text;
  try {
    parse_stream(R"({"error":{"code":404,"err_code":10059,"description":"stream not found"}})", "S", "h:1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("stream S"), HasSubstr("h:1"), HasSubstr("not found")));
  }
}

TEST(NatsStreams, Names) {
  std::size_t total = 9;
  EXPECT_THAT(parse_names(R"({"total":2,"offset":0,"limit":1024,"streams":["A","B"]})", total, "h"),
              ElementsAre("A", "B"));
  EXPECT_EQ(total, 2u);
  EXPECT_TRUE(parse_names(R"({"total":0,"streams":null})", total, "h").empty());
  EXPECT_TRUE(
      parse_names(R"({"error":{"code":503,"err_code":10039,"description":"JetStream not enabled for account"}})", total,
                  "h")
          .empty());
  EXPECT_THROW(parse_names("{}", total, "h"), Error);
  EXPECT_THROW(parse_names(R"({"error":{"code":503,"err_code":10008,"description":"away"}})", total, "h"), Error);
}

TEST(NatsFlight, KeepsWhatHasNoAnswerInOrder) {
  Flight flight;
  std::vector<std::uint64_t> numbers;
  for (std::uint32_t i = 0; i < 5; ++i) {
    numbers.push_back(flight.next_number());
    Sent sent;
    sent.event = i;
    sent.size = 100;
    flight.add(sent);
  }
  EXPECT_EQ(flight.waiting(), 5u);
  EXPECT_EQ(flight.find(numbers[4] + 1), nullptr);
  EXPECT_EQ(flight.find(0), nullptr);
  flight.answer(*flight.find(numbers[0]), Sent::State::stored);
  EXPECT_EQ(flight.find(numbers[0]), nullptr) << "a second answer";
  flight.answer(*flight.find(numbers[1]), Sent::State::refused);
  flight.answer(*flight.find(numbers[2]), Sent::State::stored);
  flight.answer(*flight.find(numbers[4]), Sent::State::refused);
  flight.answer(*flight.find(numbers[3]), Sent::State::refused);
  EXPECT_EQ(flight.waiting(), 0u);
  std::vector<std::uint32_t> refused;
  flight.drain_refused([&](const Sent& sent) { refused.push_back(sent.event); });
  EXPECT_THAT(refused, ElementsAre(1, 3, 4));
  EXPECT_EQ(flight.find(numbers[1]), nullptr);
}

TEST(NatsFlight, IsBounded) {
  Flight flight;
  Sent sent;
  sent.size = 1;
  std::size_t count = 0;
  for (; !flight.full(); ++count) flight.add(sent);
  EXPECT_EQ(count, Flight::kMost);
  Flight large;
  sent.size = Flight::kMostBytes;
  EXPECT_FALSE(large.full());
  large.add(sent);
  EXPECT_TRUE(large.full());
}

}  // namespace
}  // namespace deltaforge::sinks::nats
