// How long a batch may take, and what counts as getting nearer: against a pretended server on a loopback socket.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.h"
#include "core/component.h"
#include "sinks/nats/nats.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/fake_server.h"
#include "sinks/testing/lane.h"

namespace deltaforge::sinks::nats {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class NatsSlowServer : public ::testing::Test {
 protected:
  void open(const std::string& more) {
    Catalogue catalogue;
    add(catalogue);
    config::Report report;
    auto documents =
        config::parse("{id: n, subject: s, stream: S, url: \"nats://127.0.0.1:" + std::to_string(server_.port()) +
                          "\", " + more + "}",
                      "test.yaml", report);
    SinkMaker maker = catalogue.sinks.check("nats", documents.at(0).root, report);
    ASSERT_TRUE(report.ok()) << report.text();
    sink_ = maker.build(lane_.context());
    std::thread opener([this] { sink_->open(); });
    server_.accept();
    server_.say("INFO {\"headers\":true,\"max_payload\":1048576}\r\n");
    server_.receive(1000);
    server_.say("PONG\r\n");
    const std::string question = "PUB $JS.API.STREAM.INFO.S ";
    while (server_.received().find(question) == std::string::npos) server_.receive(1000);
    const std::size_t at = server_.received().rfind(question) + question.size();
    const std::string reply_to = server_.received().substr(at, server_.received().find(' ', at) - at);
    inbox_ = reply_to.substr(0, reply_to.rfind('.') + 1);
    answer(reply_to, R"({"config":{"name":"S","subjects":["s"]},"state":{"last_seq":0}})");
    opener.join();
  }
  void send(std::int64_t first, std::int64_t rows) {
    deliveries_.push_back(std::make_unique<Delivery>(batches_.rows(first, rows)));
    lane_.send(*sink_, *deliveries_.back());
  }
  void answer(const std::string& to, const std::string& text) {
    server_.say("MSG " + to + " 1 " + std::to_string(text.size()) + "\r\n" + text + "\r\n");
  }
  // The stream has taken the message that was sent as the first, second ...
  void acknowledge(int number) {
    answer(inbox_ + std::to_string(number), R"({"stream":"S","seq":)" + std::to_string(number) + "}");
  }

  testing::FakeServer server_;
  std::string inbox_;
  testing::BatchBuilder batches_;
  testing::Lane lane_;
  std::vector<std::unique_ptr<Delivery>> deliveries_;
  std::unique_ptr<Sink> sink_;
};

TEST_F(NatsSlowServer, ABatchThatGetsNearerIsNotGivenUp) {
  open("batch_timeout_secs: 1");
  send(0, 7);
  for (int number = 1; number <= 7; ++number) {
    EXPECT_FALSE(lane_.drain(*sink_, milliseconds(300))) << number;
    acknowledge(number);
  }
  ASSERT_TRUE(lane_.drain(*sink_, milliseconds(1000)));
  EXPECT_TRUE(lane_.answers()[0].delivered());
}

TEST_F(NatsSlowServer, ABatchThatGetsNoNearerIsGivenUp) {
  open("batch_timeout_secs: 1");
  send(0, 1);
  send(1, 10);
  const auto began = std::chrono::steady_clock::now();
  // Later ones are answered: send_timeout_secs is not what ends this.
  for (int number = 2; number <= 11 && lane_.answers().empty(); ++number) {
    lane_.drain(*sink_, milliseconds(300));
    acknowledge(number);
  }
  ASSERT_EQ(lane_.answers().size(), 2u);
  const auto fault = lane_.answers()[0].outcome.fault;
  ASSERT_TRUE(fault);
  EXPECT_FALSE(fault->fatal);
  EXPECT_THAT(fault->message, HasSubstr("batch_timeout_secs"));
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(900));
}

TEST_F(NatsSlowServer, ABatchThatCouldNotBeSentYetHasAllItsTime) {
  open("batch_timeout_secs: 1");
  const SinkContext context = lane_.context();
  std::vector<Slab*> taken;
  while (Slab* slab = context.slabs->take()) taken.push_back(slab);
  send(0, 1);
  EXPECT_FALSE(lane_.drain(*sink_, milliseconds(1300)));
  for (Slab* slab : taken) context.slabs->give_back(slab);
  EXPECT_FALSE(lane_.drain(*sink_, milliseconds(100)));
  acknowledge(1);
  ASSERT_TRUE(lane_.drain(*sink_, milliseconds(1000)));
  EXPECT_TRUE(lane_.answers()[0].delivered());
}

}  // namespace
}  // namespace deltaforge::sinks::nats
