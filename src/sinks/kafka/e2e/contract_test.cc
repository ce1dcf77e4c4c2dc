// The contract of every sink, on a real broker.
#include "sinks/testing/contract.h"

#include "sinks/kafka/e2e/broker.h"
#include "sinks/kafka/e2e/maker.h"
#include "sinks/testing/server_contract.h"

namespace deltaforge::sinks::kafka::e2e {
namespace {

class TopicSubject : public testing::Subject {
 public:
  explicit TopicSubject(std::string more = "") : more_(std::move(more)) {}
  std::unique_ptr<Sink> make(SinkContext context) override {
    return maker(Broker::shared().address(), topic_, more_).build(context);
  }
  std::vector<std::string> read() override {
    std::vector<std::string> values;
    for (Message& message : Broker::shared().read(topic_)) values.push_back(std::move(message.value));
    return values;
  }

 private:
  std::string more_;
  std::string topic_ = Broker::shared().create_topic(1, {{"max.message.bytes", "10000000"}});
};

class HeadersSubject final : public TopicSubject {
 public:
  HeadersSubject() : TopicSubject("headers: standard\n") {}
};

class ServerSubject final : public testing::ServerSubject {
 public:
  ~ServerSubject() override { come_back(); }
  std::unique_ptr<Sink> make(SinkContext context) override { return topic_.make(std::move(context)); }
  std::vector<std::string> read() override { return topic_.read(); }
  void leave() override { Broker::shared().freeze(true); }
  void come_back() override { Broker::shared().freeze(false); }
  std::unique_ptr<Sink> make_with_wrong_password(SinkContext context) override {
    return maker(Broker::shared().scram_address(), "orders", kScram + std::string("wrong")).build(context);
  }

 private:
  TopicSubject topic_;
};

}  // namespace
}  // namespace deltaforge::sinks::kafka::e2e

namespace deltaforge::sinks::testing {
INSTANTIATE_TEST_SUITE_P(Kafka, SinkContract, ::testing::Values(subject_of<kafka::e2e::TopicSubject>()));
INSTANTIATE_TEST_SUITE_P(KafkaWithHeaders, SinkContract, ::testing::Values(subject_of<kafka::e2e::HeadersSubject>()));
INSTANTIATE_TEST_SUITE_P(Kafka, ServerSinkContract, ::testing::Values(server_subject_of<kafka::e2e::ServerSubject>()));
}  // namespace deltaforge::sinks::testing
