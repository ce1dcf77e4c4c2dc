// What happens when a broker fails, refuses or is away: nothing lost, order kept, a clear word to the operator.
#include <chrono>
#include <list>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include "sinks/kafka/e2e/broker.h"
#include "sinks/kafka/e2e/maker.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/lane.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::kafka::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::sequence;

constexpr seconds kPatience{120};  // the machine may be busy with other tests

class KafkaE2e : public ::testing::Test {
 protected:
  Broker& broker_ = Broker::shared();
  testing::BatchBuilder batches_;
  testing::Lane lane_;

  std::unique_ptr<Sink> open(const std::string& topic, const std::string& more = "") {
    return open(maker(broker_.address(), topic, more));
  }
  std::unique_ptr<Sink> open_scram(const std::string& topic, const std::string& more = "") {
    return open(maker(broker_.scram_address(), topic, kScram + std::string(Broker::kPassword) + more));
  }
  // As a lane does: again and again while nobody answers.
  std::unique_ptr<Sink> open(const SinkMaker& made) {
    for (auto end = std::chrono::steady_clock::now() + kPatience;;) {
      auto sink = made.build(lane_.context());
      try {
        sink->open();
        return sink;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::unavailable || std::chrono::steady_clock::now() > end) throw;
      }
    }
  }
  testing::Answer deliver(Sink& sink, const Delivery& delivery) {
    lane_.send(sink, delivery);
    EXPECT_TRUE(lane_.drain(sink, kPatience));
    return lane_.answers().back();
  }
  // The error of open() that says this; other ones are tried again.
  Error open_error(const SinkMaker& made, const std::string& text) {
    for (auto end = std::chrono::steady_clock::now() + kPatience;;) {
      auto sink = made.build(lane_.context());
      try {
        sink->open();
        return {ErrorKind::limit, "it could be opened"};
      } catch (const Error& error) {
        if (std::string(error.what()).find(text) != std::string::npos || std::chrono::steady_clock::now() > end)
          return error;
      }
    }
  }
  // Sends rows as fast as the window allows for `time`, 10 a batch. Returns how many were sent.
  std::int64_t feed(Sink& sink, std::list<Delivery>& sent, std::int64_t first, milliseconds time) {
    std::int64_t id = first;
    auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      if (lane_.sent() - lane_.answers().size() < sink.window()) {
        sent.push_back(batches_.rows(id, 10));
        lane_.send(sink, sent.back());
        id += 10;
      }
      if (!sink.poll()) std::this_thread::sleep_for(milliseconds(2));
    }
    return id;
  }
  std::vector<std::int64_t> ids(const std::string& topic) {
    std::vector<std::string> values;
    for (Message& message : broker_.read(topic)) values.push_back(std::move(message.value));
    return testing::row_ids(values);
  }
};

TEST_F(KafkaE2e, KeysAndHeaders) {
  std::string topic = broker_.create_topic();
  auto sink = open(topic, "headers: standard\n");
  batches_.insert(7);
  batches_.remove(8);
  Delivery delivery = batches_.build();
  ASSERT_TRUE(deliver(*sink, delivery).delivered());
  auto messages = broker_.read(topic);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].key, "7");
  EXPECT_EQ(messages[1].key, "8");
  std::string id = testing::member(messages[0].value, "event_id");
  EXPECT_EQ(id.size(), 36u);
  EXPECT_THAT(messages[0].headers, HasSubstr("df-event-id=" + id));
  EXPECT_THAT(messages[0].headers, HasSubstr("df-idempotency-key=_|shop.orders|"));
  EXPECT_THAT(messages[0].headers, HasSubstr("content-type=application/json"));

  std::string plain = broker_.create_topic();
  ASSERT_TRUE(deliver(*open(plain), delivery).delivered());
  EXPECT_THAT(broker_.read(plain)[0].headers, IsEmpty());
  EXPECT_EQ(broker_.read(plain)[0].value, messages[0].value);
}

// All changes of a row go to the partition that a Java client would choose, in order.
TEST_F(KafkaE2e, ARowStaysInItsPartition) {
  std::string topic = broker_.create_topic(12);
  auto sink = open(topic);
  for (int round = 0; round < 50; ++round)
    for (int id = 0; id < 8; ++id) batches_.update(id, "x", std::to_string(round));
  Delivery delivery = batches_.build();
  ASSERT_TRUE(deliver(*sink, delivery).delivered());
  std::map<std::string, std::set<int>> partitions;
  std::map<std::string, int> rounds;
  for (const Message& message : broker_.read(topic)) {
    partitions[message.key].insert(message.partition);
    EXPECT_THAT(message.value, HasSubstr("\"note\":\"" + std::to_string(rounds[message.key]++) + "\""));
  }
  ASSERT_EQ(partitions.size(), 8u);
  std::set<int> used;
  for (const auto& [key, where] : partitions) {
    EXPECT_EQ(where.size(), 1u) << key;
    used.insert(where.begin(), where.end());
  }
  EXPECT_GT(used.size(), 1u);
  // Murmur2 of the Java client: Utils.toPositive(Utils.murmur2("7")) % 12.
  EXPECT_EQ(partitions["7"], std::set<int>{3});
}

TEST_F(KafkaE2e, BrokerKilledInTheMiddleNothingLostOrderKept) {
  std::string topic = broker_.create_topic();
  auto sink = open(topic);
  std::list<Delivery> sent;
  std::int64_t id = feed(*sink, sent, 0, seconds(1));
  broker_.kill();
  id = feed(*sink, sent, id, seconds(1));
  broker_.start();
  id = feed(*sink, sent, id, seconds(1));
  ASSERT_TRUE(lane_.drain(*sink, kPatience));
  for (const auto& answer : lane_.answers()) EXPECT_TRUE(answer.delivered());
  EXPECT_GT(id, 100);
  EXPECT_EQ(ids(topic), sequence(0, id));
}

// Longer than message.timeout.ms of the user: messages do not expire, the lane is told what is wrong.
TEST_F(KafkaE2e, AnOutageLongerThanTheMessageTimeout) {
  std::string topic = broker_.create_topic();
  auto sink = open(topic, "client_conf:\n  message.timeout.ms: \"5000\"\n");
  EXPECT_EQ(sink->patience(), milliseconds(5000));
  std::list<Delivery> sent;
  sent.push_back(batches_.rows(0, 10));
  ASSERT_TRUE(deliver(*sink, sent.back()).delivered());
  broker_.kill();
  std::int64_t id = feed(*sink, sent, 10, seconds(8));
  EXPECT_EQ(lane_.answers().size(), 1u);
  EXPECT_EQ(lane_.sent(), 1 + sink->window());
  EXPECT_THAT(lane_.trouble(), ::testing::AnyOf(HasSubstr("all brokers are down"), HasSubstr("Connection refused")));
  broker_.start();
  ASSERT_TRUE(lane_.drain(*sink, kPatience));
  for (const auto& answer : lane_.answers()) EXPECT_TRUE(answer.delivered());
  EXPECT_EQ(ids(topic), sequence(0, id));
  EXPECT_THAT(lane_.trouble(), IsEmpty());
}

// A sink that is given up with rows in flight does not wait for them.
TEST_F(KafkaE2e, GoesAtOnceWhileTheBrokerIsSilent) {
  std::string topic = broker_.create_topic();
  auto sink = open(topic);
  Delivery first = batches_.rows(0, 10), second = batches_.rows(10, 10);
  ASSERT_TRUE(deliver(*sink, first).delivered());
  broker_.freeze(true);
  lane_.send(*sink, second);
  while (sink->poll()) continue;
  std::this_thread::sleep_for(milliseconds(100));
  auto begun = std::chrono::steady_clock::now();
  sink.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(5));
  broker_.freeze(false);
  ASSERT_EQ(lane_.answers().size(), 2u);
  EXPECT_TRUE(lane_.answers()[1].outcome.fault);
}

TEST_F(KafkaE2e, NobodyAnswers) {
  auto begun = std::chrono::steady_clock::now();
  Error error = open_error(maker("127.0.0.1:1", "orders"), "127.0.0.1:1");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(8));
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("127.0.0.1:1"), HasSubstr("brokers")));
}

TEST_F(KafkaE2e, ScramLogin) {
  std::string topic = broker_.create_topic();
  auto sink = open_scram(topic);
  Delivery delivery = batches_.rows(0, 10);
  ASSERT_TRUE(deliver(*sink, delivery).delivered());
  EXPECT_EQ(ids(topic), sequence(0, 10));
}

TEST_F(KafkaE2e, WrongPassword) {
  ::testing::internal::CaptureStderr();
  Error error = open_error(maker(broker_.scram_address(), broker_.create_topic(), kScram + std::string("canary-wrong")),
                           "sasl.password");
  std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(error.kind(), ErrorKind::auth);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("sasl.password"), HasSubstr("uthentication"), Not(HasSubstr("canary"))));
  EXPECT_THAT(log, Not(HasSubstr("canary")));
}

TEST_F(KafkaE2e, Tls) {
  std::string topic = broker_.create_topic();
  auto with = [&](const std::string& tls) { return maker(broker_.tls_address(), topic, "tls:\n" + tls); };
  std::int64_t id = 0;
  for (const std::string& good : {"  ca_file: " + broker_.ca_file(), std::string("  insecure_skip_verify: true")}) {
    auto sink = open(with(good));
    Delivery delivery = batches_.rows(id++, 1);
    EXPECT_TRUE(deliver(*sink, delivery).delivered()) << good;
  }
  EXPECT_EQ(ids(topic), sequence(0, 2));

  Error untrusted = open_error(with("  insecure_skip_verify: false"), "certificate");
  EXPECT_EQ(untrusted.kind(), ErrorKind::auth);
  EXPECT_THAT(untrusted.what(), AllOf(HasSubstr("certificate"), HasSubstr("tls.ca_file")));
  Error unreadable = open_error(with("  ca_file: /not/there.pem"), "there.pem");
  EXPECT_EQ(unreadable.kind(), ErrorKind::config);
  EXPECT_THAT(unreadable.what(), HasSubstr("/not/there.pem"));
}

TEST_F(KafkaE2e, AMissingTopicIsNamedAndTriedAgain) {
  SinkMaker made = maker(broker_.address(), "not-there");
  Error error = open_error(made, "not-there");
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("not-there"), HasSubstr("auto.create.topics.enable")));
  broker_.create_topic_named("not-there", 1, {});
  auto sink = open(made);
  Delivery delivery = batches_.rows(0, 5);
  EXPECT_TRUE(deliver(*sink, delivery).delivered());
}

// The topic's own limit counts what the row is when compressed: only the broker can tell.
TEST_F(KafkaE2e, ARowThatIsSmallEnoughOnlyWhenCompressed) {
  std::string topic = broker_.create_topic(1, {{"max.message.bytes", "100000"}});
  auto sink = open(topic);
  for (int id = 0; id < 30; ++id) batches_.insert(id, std::string(id % 10 == 1 ? 150'000 : 20'000, 'x'));
  Delivery delivery = batches_.build();
  EXPECT_TRUE(deliver(*sink, delivery).delivered());
  EXPECT_EQ(ids(topic), sequence(0, 30));
}

TEST_F(KafkaE2e, ARowTooLargeForTheTopicBlocks) {
  std::string topic = broker_.create_topic(1, {{"max.message.bytes", "100000"}});
  auto sink = open(topic, "client_conf:\n  compression.type: none\n");
  for (int id = 0; id < 30; ++id) batches_.insert(id, std::string(id == 11 ? 150'000 : 20'000, 'x'));
  Delivery delivery = batches_.build();
  auto answer = deliver(*sink, delivery);
  ASSERT_FALSE(answer.outcome.fault) << answer.outcome.fault->message;
  ASSERT_TRUE(answer.outcome.refused);
  EXPECT_EQ(answer.outcome.refused->event, 11u);
  EXPECT_EQ(answer.outcome.refused->kind, "too_large");
  EXPECT_THAT(answer.outcome.refused->reason, AllOf(HasSubstr("max.message.bytes"), HasSubstr("100000")));
  EXPECT_EQ(ids(topic), sequence(0, 11));
}

// Framing counts too, at the client and at the broker: whatever is larger than it may be is refused alone.
TEST_F(KafkaE2e, RowsAroundTheLimit) {
  for (const char* headers : {"none", "standard"}) {
    std::string topic = broker_.create_topic(1, {{"max.message.bytes", "20000"}});
    auto sink = open(topic, "headers: " + std::string(headers) + "\nclient_conf:\n  compression.type: none\n");
    for (int size = 18'800; size < 19'800; size += 5)
      batches_.insert(size, std::string(static_cast<std::size_t>(size), 'x'));
    Delivery delivery = batches_.build();
    auto answer = deliver(*sink, delivery);
    ASSERT_FALSE(answer.outcome.fault) << answer.outcome.fault->message;
    ASSERT_TRUE(answer.outcome.refused);
    EXPECT_GT(answer.outcome.refused->event, 10u);
    EXPECT_LT(answer.outcome.refused->event, 190u);
    EXPECT_EQ(ids(topic).size(), answer.outcome.refused->event);
  }
}

// One batch with a row that only the broker finds too large, and three batches behind it, each a request of its own:
// all fail, or the first is refused, and nothing behind the row is written before it.
class KafkaE2eGap : public KafkaE2e {
 protected:
  void expect_nothing_behind(Sink& sink, const std::string& topic) {
    auto before = ids(topic);
    auto answered = lane_.answers().size();
    batches_.insert(100, std::string(50'000, 'x'));
    large_ = batches_.build();
    for (int id = 1; id < 4; ++id) rest_.push_back(batches_.rows(id, 1));
    lane_.send(sink, large_);
    for (const Delivery& delivery : rest_) lane_.send(sink, delivery);
    ASSERT_TRUE(lane_.drain_or_block(sink, kPatience));
    auto answers = lane_.answers();
    for (std::size_t i = answered; i < answers.size(); ++i) {
      // The broker answered before the next row was sent: the row is refused alone, and what is behind it waits.
      if (answers[i].outcome.refused) {
        EXPECT_EQ(answers[i].seq, large_.batch->seq);
        break;
      }
      ASSERT_TRUE(answers[i].outcome.fault);
      EXPECT_FALSE(answers[i].outcome.fault->fatal);
      // The client may give up, for the gap behind the row, before the row's own answer is seen.
      if (answers[i].outcome.fault->message.find("Fatal error") != std::string::npos) continue;
      EXPECT_THAT(answers[i].outcome.fault->message, HasSubstr("too large"));
      EXPECT_THAT(answers[i].outcome.fault->hint, HasSubstr("max.message.bytes"));
    }
    EXPECT_EQ(ids(topic), before);
  }
  Delivery large_;
  std::list<Delivery> rest_;
};
constexpr const char* kOneRowARequest = "client_conf:\n  batch.num.messages: 1\n  compression.type: none\n";

TEST_F(KafkaE2eGap, ALimitThatIsLoweredLater) {
  std::string topic = broker_.create_topic();
  auto sink = open(topic, kOneRowARequest);
  Delivery small = batches_.rows(0, 1);
  ASSERT_TRUE(deliver(*sink, small).delivered());
  broker_.set_topic(topic, "max.message.bytes", "20000");
  expect_nothing_behind(*sink, topic);

  sink = open(topic, kOneRowARequest);
  auto answer = deliver(*sink, large_);
  ASSERT_TRUE(answer.outcome.refused);
  EXPECT_EQ(answer.outcome.refused->event, 0u);
  broker_.set_topic(topic, "max.message.bytes", "100000");
  sink = open(topic, kOneRowARequest);
  EXPECT_TRUE(deliver(*sink, large_).delivered());
  for (const Delivery& delivery : rest_) EXPECT_TRUE(deliver(*sink, delivery).delivered());
  EXPECT_EQ(ids(topic), (std::vector<std::int64_t>{0, 100, 1, 2, 3}));
}

// A new producer sends its first row alone, so that the row is then found.
TEST_F(KafkaE2eGap, ALimitThatTheBrokerDoesNotTell) {
  std::string topic = broker_.create_topic(1, {{"max.message.bytes", "20000"}});
  broker_.allow_only(topic, {RD_KAFKA_ACL_OPERATION_DESCRIBE, RD_KAFKA_ACL_OPERATION_WRITE});
  const char* more = "\n  batch.num.messages: 1\n  compression.type: none\n";
  auto sink = open_scram(topic, more);
  Delivery small = batches_.rows(0, 1);
  ASSERT_TRUE(deliver(*sink, small).delivered());
  expect_nothing_behind(*sink, topic);

  sink = open_scram(topic, more);
  auto answer = deliver(*sink, large_);
  ASSERT_TRUE(answer.outcome.refused);
  EXPECT_EQ(answer.outcome.refused->event, 0u);
  EXPECT_EQ(ids(topic), sequence(0, 1));
}

TEST_F(KafkaE2e, ForbiddenToWrite) {
  std::string topic = broker_.create_topic();
  auto sink = open_scram(topic);
  broker_.allow_only(topic, {RD_KAFKA_ACL_OPERATION_DESCRIBE});
  Delivery first = batches_.rows(0, 10), second = batches_.rows(10, 10);
  lane_.send(*sink, first);
  lane_.send(*sink, second);
  ASSERT_TRUE(lane_.drain(*sink, kPatience));
  for (const auto& answer : lane_.answers()) {
    ASSERT_TRUE(answer.outcome.fault);
    EXPECT_TRUE(answer.outcome.fault->fatal);
    EXPECT_EQ(answer.outcome.fault->kind, ErrorKind::auth);
    EXPECT_THAT(answer.outcome.fault->message, HasSubstr(topic));
    EXPECT_THAT(answer.outcome.fault->hint, HasSubstr("WRITE"));
  }
  EXPECT_THAT(ids(topic), IsEmpty());
}

}  // namespace
}  // namespace deltaforge::sinks::kafka::e2e
