// What is sent before an answer, and what never is: against a pretended server on a loopback socket.
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.h"
#include "core/component.h"
#include "sinks/redis/fake_server_for_test.h"
#include "sinks/redis/redis.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/lane.h"

namespace deltaforge::sinks::redis {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class RedisPipelining : public ::testing::Test {
 protected:
  void open(const std::string& more = "") {
    Catalogue catalogue;
    add(catalogue);
    config::Report report;
    auto documents =
        config::parse("{id: r, stream: orders, uri: \"" + server_.uri() + "\"" + more + "}", "test.yaml", report);
    SinkMaker maker = catalogue.sinks.check("redis", documents.at(0).root, report);
    ASSERT_TRUE(report.ok()) << report.text();
    sink_ = maker.build(lane_.context());
    std::thread opener([this] { sink_->open(); });
    server_.greet();
    opener.join();
  }
  // One transaction of three chunks.
  void send_large() {
    for (int id = 0; id < 3 * 512; ++id) batches_.insert(id);
    delivery_ = batches_.build();
    lane_.send(*sink_, delivery_);
  }
  // Lets the sink do what it can.
  void run() {
    for (int i = 0; i < 20; ++i) {
      lane_.drain(*sink_, milliseconds(10));
      server_.receive();
    }
  }
  static std::string queued(int rows) {
    std::string text = "+OK\r\n";
    for (int i = 0; i < rows; ++i) text += "+QUEUED\r\n";
    return text;
  }
  static std::string executed(int rows, int bad = -1) {
    std::string text = "*" + std::to_string(rows) + "\r\n";
    for (int i = 0; i < rows; ++i) text += i == bad ? "-WRONGTYPE no stream\r\n" : "$3\r\n1-1\r\n";
    return text;
  }
  void expect_sent(int multi, int xadd, int exec) {
    run();
    EXPECT_EQ(server_.count("MULTI"), multi);
    EXPECT_EQ(server_.count("XADD"), xadd);
    EXPECT_EQ(server_.count("EXEC"), exec);
  }

  FakeServer server_;
  testing::BatchBuilder batches_;
  testing::Lane lane_;
  Delivery delivery_;
  std::unique_ptr<Sink> sink_;
};

TEST_F(RedisPipelining, NothingIsExecutedBeforeWhatStandsBeforeItIs) {
  open();
  send_large();
  expect_sent(2, 1024, 1);
  server_.say(queued(512));
  expect_sent(2, 1024, 1);
  server_.say(executed(512) + queued(512));
  expect_sent(3, 1536, 2);
  server_.say("-EXECABORT Transaction discarded because of: OOM command not allowed\r\n" + queued(512));
  expect_sent(3, 1536, 2);
  ASSERT_EQ(lane_.answers().size(), 1u);
  ASSERT_TRUE(lane_.answers().front().outcome.fault);
  EXPECT_THAT(lane_.answers()[0].outcome.fault->message, HasSubstr("OOM"));
}

TEST_F(RedisPipelining, ATransactionThatNeverEndsIsGivenUp) {
  open(", batch_timeout_secs: 1");
  send_large();
  run();
  const auto began = std::chrono::steady_clock::now();
  server_.say("+OK\r\n");
  for (int i = 0; i < 30 && lane_.answers().empty(); ++i) {
    server_.say("+QUEUED\r\n");  // it is not silent: send_timeout_secs is not what ends this
    lane_.drain(*sink_, milliseconds(100));
  }
  ASSERT_EQ(lane_.answers().size(), 1u);
  const auto fault = lane_.answers()[0].outcome.fault;
  ASSERT_TRUE(fault);
  EXPECT_FALSE(fault->fatal);
  EXPECT_THAT(fault->message, HasSubstr("batch_timeout_secs"));
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(500));
}

TEST_F(RedisPipelining, EveryAnswerInsideExecIsLookedAt) {
  open();
  send_large();
  expect_sent(2, 1024, 1);
  server_.say(queued(512) + executed(512, 511));
  run();
  ASSERT_EQ(lane_.answers().size(), 1u);
  const auto fault = lane_.answers()[0].outcome.fault;
  ASSERT_TRUE(fault);
  EXPECT_TRUE(fault->fatal);
  EXPECT_THAT(fault->message, HasSubstr("1 of 512"));
  expect_sent(2, 1024, 1);
}

TEST_F(RedisPipelining, DeliveredOnlyAfterTheLastAnswer) {
  open();
  send_large();
  expect_sent(2, 1024, 1);
  server_.say(queued(512) + executed(512));
  expect_sent(3, 1536, 2);
  server_.say(queued(512) + executed(512));
  expect_sent(3, 1536, 3);
  const std::string last = queued(512) + executed(512);
  server_.say(last.substr(0, last.size() - 1));
  run();
  EXPECT_TRUE(lane_.answers().empty());
  server_.say("\n");
  run();
  ASSERT_EQ(lane_.answers().size(), 1u);
  EXPECT_TRUE(lane_.answers()[0].delivered());
}

TEST_F(RedisPipelining, AnswersThatDoNotFitAreNeverTakenForDelivered) {
  for (const char* nonsense : {"+OK\r\n+OK\r\n", "+QUEUED\r\n", "$3\r\n1-1\r\n", "HTTP/1.1 200 OK\r\n", "*3\r\n"}) {
    open();
    send_large();
    server_.say(nonsense);
    run();
    ASSERT_FALSE(lane_.answers().empty()) << nonsense;
    ASSERT_TRUE(lane_.answers().back().outcome.fault) << nonsense;
    EXPECT_FALSE(lane_.answers().back().outcome.fault->fatal);
    sink_.reset();
  }
  for (const std::string& exec : {executed(511), executed(513), std::string("*-1\r\n"), std::string("+OK\r\n")}) {
    open();
    send_large();
    server_.say(queued(512) + exec);
    run();
    EXPECT_TRUE(lane_.answers().back().outcome.fault) << exec.substr(0, 10);
    sink_.reset();
  }
}

}  // namespace
}  // namespace deltaforge::sinks::redis
