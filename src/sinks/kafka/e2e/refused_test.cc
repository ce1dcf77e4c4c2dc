// A row that cannot be delivered blocks its sink, with the pipeline's own lane in front of it: nothing overtakes the
// row, nothing before it comes again, and once the limit is raised all arrive in order.
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include "sinks/kafka/e2e/broker.h"
#include "sinks/kafka/e2e/maker.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/pipeline_lane.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::kafka::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr seconds kPatience{120};  // the machine may be busy with other tests
constexpr seconds kSomeRetries{7};

class KafkaRefused : public ::testing::Test {
 protected:
  void offer(const Delivery& delivery) { ASSERT_TRUE(lane_->offer(delivery.batch, true)); }
  template <class F>
  bool step_until(F&& condition, milliseconds time = kPatience) {
    for (auto end = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < end;) {
      lane_->step();
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(2));
    }
    return false;
  }
  void step_for(milliseconds time) {
    step_until([] { return false; }, time);
  }
  bool all_delivered() {
    return step_until([&] { return lane_->empty(); });
  }
  // Until the sink says that it is blocked by a row that is too large.
  void expect_blocked() {
    ASSERT_TRUE(step_until([&] { return lane_->trouble().value_or("").find("too_large") != std::string::npos; }))
        << lane_.trouble();
  }
  // `id:note` of each row, long notes by their first letter.
  std::vector<std::string> rows(const std::string& topic) {
    std::vector<std::string> found;
    for (const Message& message : broker_.read(topic)) {
      std::string after = message.value.substr(message.value.find("\"after\":"));
      std::string note = testing::member(after, "note");
      found.push_back(message.key + ":" + (note.size() > 20 ? note.substr(0, 1) : note));
    }
    return found;
  }
  using Rows = std::vector<std::string>;

  Broker& broker_ = Broker::shared();
  testing::BatchBuilder batches_;
  testing::PipelineLane lane_;
};

TEST_F(KafkaRefused, NothingOvertakesARowThatTheTopicDoesNotTake) {
  std::string topic = broker_.create_topic(1, {{"max.message.bytes", "2000"}});
  lane_.start(maker(broker_.address(), topic, "client_conf:\n  compression.type: none\n"));
  offer(batches_.rows(1, 1));
  ASSERT_TRUE(all_delivered());

  batches_.insert(10, "before");
  batches_.insert(2, std::string(3000, 'z'));
  batches_.update(2, "z", "small");
  batches_.insert(3, "c");
  batches_.commit();
  batches_.update(2, "small", "later");
  batches_.insert(4, "d");
  Delivery delivery = batches_.build(), later = batches_.rows(5, 1);
  offer(delivery);
  offer(later);
  expect_blocked();
  EXPECT_THAT(*lane_->trouble(), AllOf(HasSubstr("public.orders"), HasSubstr("max.message.bytes"), HasSubstr(topic)));
  step_for(kSomeRetries);
  EXPECT_THAT(lane_->trouble().value_or(""), HasSubstr("too_large"));
  EXPECT_EQ(rows(topic), (Rows{"1:a note", "10:before"}));

  broker_.set_topic(topic, "max.message.bytes", "100000");
  ASSERT_TRUE(all_delivered());
  EXPECT_EQ(rows(topic), (Rows{"1:a note", "10:before", "2:z", "2:small", "3:c", "2:later", "4:d", "5:a note"}));
  EXPECT_FALSE(lane_->trouble());
}

// The limit is not told: Kafka's default is assumed, and what may be larger goes alone. It is so large when compressed,
// too.
TEST_F(KafkaRefused, NothingOvertakesItWhenTheLimitIsNotTold) {
  std::string topic = broker_.create_topic();
  broker_.allow_only(topic, {RD_KAFKA_ACL_OPERATION_DESCRIBE, RD_KAFKA_ACL_OPERATION_WRITE});
  lane_.start(
      maker(broker_.scram_address(), topic, kScram + std::string(Broker::kPassword) + "\n  compression.type: none\n"));
  for (int id = 0; id < 20; ++id) batches_.insert(id, id == 7 ? std::string(1'500'000, 'z') : std::string("a"));
  Delivery delivery = batches_.build();
  for (int id = 20; id < 30; ++id) batches_.insert(id, id == 27 ? std::string(1'500'000, 'z') : std::string("a"));
  Delivery later = batches_.build();
  offer(delivery);
  offer(later);
  expect_blocked();
  step_for(kSomeRetries);
  EXPECT_EQ(rows(topic).size(), 7u);

  broker_.set_topic(topic, "max.message.bytes", "3000000");
  ASSERT_TRUE(all_delivered());
  Rows expected;
  for (int id = 0; id < 30; ++id) expected.push_back(std::to_string(id) + (id == 7 || id == 27 ? ":z" : ":a"));
  EXPECT_EQ(rows(topic), expected);
}

// What the sink itself does not send blocks in the same way.
TEST_F(KafkaRefused, NothingOvertakesARowThatClientConfForbids) {
  std::string topic = broker_.create_topic();
  lane_.start(maker(broker_.address(), topic, "client_conf:\n  message.max.bytes: 2000\n"));
  for (int id = 0; id < 9; ++id) batches_.insert(id, id == 4 ? std::string(3000, 'z') : std::string("a"));
  Delivery delivery = batches_.build(), later = batches_.rows(9, 1);
  offer(delivery);
  offer(later);
  expect_blocked();
  EXPECT_THAT(*lane_->trouble(), HasSubstr("message.max.bytes in client_conf"));
  step_for(kSomeRetries);
  EXPECT_EQ(rows(topic), (Rows{"0:a", "1:a", "2:a", "3:a"}));
}

}  // namespace
}  // namespace deltaforge::sinks::kafka::e2e
