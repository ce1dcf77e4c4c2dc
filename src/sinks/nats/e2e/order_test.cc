// A server that dies again and again, or that somebody else writes to, with the pipeline's own lane in front of the
// sink: every row is in the stream once, in order.
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/nats/e2e/maker.h"
#include "sinks/nats/e2e/server.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/pipeline_lane.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::nats::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class NatsOrder : public ::testing::Test {
 protected:
  // Transactions as fast as the lane takes them, by a thread of its own, while this one does its worst; then all of the
  // rest. Returns the number of rows.
  std::int64_t feed_during(const std::function<void()>& worst) {
    std::atomic<bool> over = false;
    std::int64_t rows = 0;
    std::thread feeder([&] { rows = feed_until(over); });
    worst();  // servers that it starts die with the thread that started them
    over = true;
    feeder.join();
    EXPECT_TRUE(lane_->empty()) << lane_.trouble();
    return rows;
  }
  std::int64_t feed_until(const std::atomic<bool>& over) {
    std::int64_t rows = 0;
    std::optional<Delivery> next;
    const auto end = std::chrono::steady_clock::now() + seconds(60);
    while (!(over && !next && lane_->empty()) && std::chrono::steady_clock::now() < end) {
      if (!next && !over) next = batches_.rows(std::exchange(rows, rows + 100), 100);
      if (next && lane_->offer(next->batch, true)) next.reset();
      lane_->step();
      std::this_thread::sleep_for(milliseconds(1));
    }
    return rows;
  }
  void expect_all_once(std::int64_t rows) {
    std::vector<std::string> ours;
    for (const Stored& each : server_.read(stream_))
      if (each.subject == stream_ + ".orders") ours.push_back(each.payload);
    const auto ids = testing::row_ids(ours);
    EXPECT_TRUE(ids == testing::sequence(0, rows)) << ids.size() << " stored of " << rows;
    EXPECT_GT(rows, 1000);
  }

  Server server_;
  std::string stream_ = server_.new_stream();
  testing::BatchBuilder batches_;
  testing::PipelineLane lane_;
};

TEST_F(NatsOrder, AServerThatIsKilledAndStartedAgain) {
  lane_.start(maker(server_.url(), stream_ + ".orders", "stream: " + stream_ + "\n"));
  expect_all_once(feed_during([this] {
    for (int i = 0; i < 4; ++i) {
      std::this_thread::sleep_for(milliseconds(700));
      server_.kill();
      std::this_thread::sleep_for(milliseconds(100));
      server_.start();
    }
  }));
}

TEST_F(NatsOrder, SomebodyElseWrites) {
  lane_.start(maker(server_.url(), stream_ + ".orders", "stream: " + stream_ + "\n"));
  expect_all_once(feed_during([this] {
    for (int i = 0; i < 40; ++i) {
      std::this_thread::sleep_for(milliseconds(i % 10 == 0 ? 300 : 20));
      server_.publish(stream_ + ".foreign", "{}");
    }
  }));
}

TEST_F(NatsOrder, AStreamThatIsFullAgainAndAgain) {
  const std::string subjects = "[\"" + stream_ + ".>\"]";
  const auto most = [&](int messages) {
    server_.change(stream_, subjects, "\"discard\":\"new\",\"max_msgs\":" + std::to_string(messages));
  };
  most(250);
  lane_.start(maker(server_.url(), stream_ + ".orders", "stream: " + stream_ + "\n"));
  expect_all_once(feed_during([&] {
    for (int i = 1; i < 6; ++i) {
      std::this_thread::sleep_for(milliseconds(300));
      most(250 * (i + 1) + i);
    }
    most(-1);
    std::this_thread::sleep_for(milliseconds(300));
  }));
}

}  // namespace
}  // namespace deltaforge::sinks::nats::e2e
