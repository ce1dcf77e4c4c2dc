// What outlives a sink that the pipeline's lane gives up for a new one.
#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "sinks/http/e2e/maker.h"
#include "sinks/http/e2e/receiver.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/pipeline_lane.h"

namespace deltaforge::sinks::http::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class HttpRebuild : public ::testing::Test {
 protected:
  ~HttpRebuild() override { receiver_.rules("[]"); }
  void send(std::initializer_list<std::int64_t> ids) {
    for (const std::int64_t id : ids) batches_.insert(id);
    ASSERT_TRUE(lane_->offer(batches_.build().batch, true));
  }
  // False: the time is over.
  bool run(seconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!lane_->empty() && std::chrono::steady_clock::now() < end) {
      lane_->step();
      std::this_thread::sleep_for(milliseconds(1));
    }
    return lane_->empty();
  }
  // By their begin.
  std::vector<Request> requests() const {
    std::vector<Request> all = receiver_.requests(path_);
    std::ranges::sort(all, {}, &Request::begin);
    return all;
  }

  Receiver& receiver_ = Receiver::shared();
  std::string path_ = Receiver::new_path();
  testing::BatchBuilder batches_;
  testing::PipelineLane lane_;
};

// One key is told to come back in 5 s; another one is refused, so that the lane builds a new sink before that.
TEST_F(HttpRebuild, TheTimeThatAServerNamedIsKept) {
  lane_.start(maker(receiver_.url() + path_));
  send({100});
  ASSERT_TRUE(run(seconds(10))) << lane_.trouble();
  receiver_.rules(R"([{"path": ")" + path_ + R"(", "body": "\"after\":{\"id\":1,", "status": 422, "times": 1},
                      {"path": ")" +
                  path_ + R"(", "body": "\"after\":{\"id\":2,", "status": 429, "times": 1,
                       "headers": {"Retry-After": "5"}}])");
  send({1, 2});
  ASSERT_TRUE(run(seconds(20))) << lane_.trouble();
  const auto found = requests();
  ASSERT_EQ(found.size(), 5u);
  const auto told = std::ranges::find(found, 429, &Request::status);
  ASSERT_NE(told, found.end());
  for (auto each = told + 1; each != found.end(); ++each)
    if (each->status == 200) {
      EXPECT_GE(each->begin - told->end, 5.0) << each->body;
    }
}

}  // namespace
}  // namespace deltaforge::sinks::http::e2e
