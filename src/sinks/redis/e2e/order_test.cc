// A server that dies again and again, with the pipeline's own lane in front of the sink: nothing is lost, and the first
// copy of each row stands where it belongs.
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/redis/e2e/maker.h"
#include "sinks/redis/e2e/server.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/pipeline_lane.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::redis::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RedisOrder : public ::testing::Test {
 protected:
  static constexpr std::int64_t kRows = 10;  // of one transaction

  // Transactions as fast as the lane takes them, 20 a batch, by a thread of its own, while this one does its worst;
  // then all of the rest. Returns the number of rows.
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
      if (!next && !over) {
        for (int transaction = 0; transaction < 20; ++transaction) {
          for (int i = 0; i < kRows; ++i) batches_.insert(rows++);
          batches_.commit();
        }
        next = batches_.build();
      }
      if (next && lane_->offer(next->batch, true)) next.reset();
      lane_->step();
      std::this_thread::sleep_for(milliseconds(1));
    }
    return rows;
  }
  // How many came more than once; -1 when the first copies are not 0, 1, 2..
  std::int64_t repeated(const std::vector<std::int64_t>& ids, std::int64_t rows) {
    std::int64_t next = 0, again = 0;
    for (std::int64_t id : ids) {
      if (id > next) return -1;
      if (id == next)
        ++next;
      else
        ++again;
    }
    return next == rows ? again : -1;
  }
  // Transactions are whole, copies too.
  static void expect_whole_transactions(const std::vector<std::int64_t>& ids) {
    ASSERT_EQ(ids.size() % kRows, 0u);
    for (std::size_t i = 0; i < ids.size(); ++i)
      ASSERT_EQ(ids[i] % kRows, static_cast<std::int64_t>(i % kRows)) << "entry " << i;
  }

  Server server_;
  std::string stream_ = server_.new_stream();
  testing::BatchBuilder batches_;
  testing::PipelineLane lane_;
};

TEST_F(RedisOrder, AServerThatIsKilledAndStartedAgain) {
  lane_.start(maker(server_.uri(), stream_));
  const std::int64_t rows = feed_during([this] {
    for (int i = 0; i < 4; ++i) {
      std::this_thread::sleep_for(milliseconds(700));
      server_.kill();
      std::this_thread::sleep_for(milliseconds(100));
      server_.start();
      server_.rewrite_log();
    }
  });
  const auto ids = testing::row_ids(server_.events(stream_));
  const std::int64_t again = repeated(ids, rows);
  EXPECT_GE(again, 0);
  RecordProperty("repeated", static_cast<int>(again));
  expect_whole_transactions(ids);
  EXPECT_GT(rows, 1000);
}

}  // namespace
}  // namespace deltaforge::sinks::redis::e2e
