// A whole pipeline with its threads, a scripted source and sinks in memory: life cycle, failures, detaching. The tsan
// preset runs this too.
#include "pipeline/pipeline.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "core/event_id.h"
#include "pipeline/retry.h"
#include "pipeline/testing/plain_encoder.h"
#include "pipeline/testing/sim_store.h"
#include "pipeline/testing/sim_world.h"

namespace deltaforge::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::sim_position;
using testing::SimMark;

const TableSchema& schema() {
  static const TableSchema made{.connector = "sim",
                                .source_id = "src",
                                .full_name = "t",
                                .columns = {{"n", "int"}},
                                .name_hash = xxh3_64(as_bytes(std::string_view("t")))};
  return made;
}

// What the test controls and sees, shared by the parts of one pipeline and of its later runs.
struct Script {
  std::atomic<std::uint64_t> committed{0};  // transactions 1..committed exist at the source; one row each
  std::atomic<std::uint64_t> released{0};
  std::atomic<bool> link_up{true};
  std::atomic<bool> undecodable{false};
  std::atomic<int> connects{0};
};

class ScriptedSource final : public Source {
 public:
  explicit ScriptedSource(Script& script) : script_(script) {}

  void run(Intake& intake, const Start& start, std::stop_token stop) override {
    if (!script_.link_up) throw Error(ErrorKind::unavailable, "cannot connect to the scripted server");
    ++script_.connects;
    if (start.meet.empty()) start.begin_at(sim_position(0));
    start.connected();
    std::uint64_t next = testing::end_of(start.meet) + 1;
    while (!stop.stop_requested()) {
      if (!script_.link_up) throw Error(ErrorKind::unavailable, "the scripted server went away");
      if (script_.undecodable) throw Error(ErrorKind::undecodable, "message type '?' at 5 is not understood");
      bool room = intake.room();
      if (room && next <= script_.committed) {
        Event& event = intake.event();
        event.schema = &schema();
        event.ordinal = 1;
        intake.commit(Mark::of(SimMark{next}), {.ts_us = static_cast<std::int64_t>(next),
                                                .id_hash = transaction_hash("sim", "1", std::to_string(next))});
        ++next;
        continue;
      }
      if (room) intake.drained();
      pollfd wait{intake.wake_fd(), POLLIN, 0};
      ::poll(&wait, 1, 2);
    }
  }
  void release(const Position& position) override { script_.released = testing::end_of(position); }
  const PositionAlgebra& positions() const override { return algebra_; }
  SourceGauges gauges() const override { return {.log_end_lag_bytes = 0}; }

 private:
  Script& script_;
  testing::SimAlgebra algebra_;
};

struct Target {
  std::atomic<bool> down{false}, refuse_login{false}, swallow{false};
  std::atomic<int> slow_ms{0};  // each batch
  std::atomic<bool> holds_position{false};
  std::atomic<bool> refuses{false};  // see is_poison()
  std::atomic<int> opened{0};
  std::mutex mutex;
  std::vector<std::uint64_t> got;
  std::size_t count() {
    std::lock_guard lock(mutex);
    return got.size();
  }
};

bool is_poison(std::uint64_t transaction) { return transaction % 100 == 50; }

std::uint64_t transaction_of(const Batch& batch, std::uint32_t event) {
  return static_cast<std::uint64_t>(batch.commits()[batch.event(event).commit].ts_us);  // a replay has no mark
}

class ScriptedSink final : public Sink {
 public:
  explicit ScriptedSink(Target& target) : target_(target) {}
  std::optional<Position> open() override {
    if (target_.refuse_login) throw Error(ErrorKind::auth, "the password was refused", "set the right one");
    if (target_.down) throw Error(ErrorKind::unavailable, "connection refused");
    ++target_.opened;
    if (target_.holds_position && target_.count() > 0) return sim_position(target_.count());
    return std::nullopt;
  }
  bool holds_position() const override { return target_.holds_position; }
  std::chrono::milliseconds patience() const override { return 50ms; }
  void send(const Delivery& delivery, Receipt receipt) override {
    if (target_.down) return std::move(receipt).failed(Fault::retry("connection reset"));
    if (target_.swallow) {
      kept_.push_back(std::move(receipt));
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(target_.slow_ms));
    std::lock_guard lock(target_.mutex);
    std::optional<std::uint32_t> refused;
    delivery.for_each([&](std::uint32_t index, const Event&) {
      const std::uint64_t transaction = transaction_of(*delivery.batch, index);
      if (target_.refuses && !refused && is_poison(transaction)) refused = index;
      if (!refused) target_.got.push_back(transaction);
    });
    if (refused) return std::move(receipt).delivered_until({*refused, "rejected", "simulated"});
    std::move(receipt).delivered();
  }
  bool poll() override { return false; }

 private:
  Target& target_;
  std::vector<Receipt> kept_;
};

// The transaction that a processor gets stuck at, and whether a drain is told to it.
struct Obstacle {
  std::atomic<std::uint64_t> at{~0ULL};
  std::atomic<bool> heeds_wind_down{true};
  std::atomic<bool> reached{false};
};

class StuckProcessor final : public Processor {
 public:
  explicit StuckProcessor(Obstacle& obstacle) : obstacle_(obstacle) {}
  void process(Batch& batch) override {
    for (const Commit& commit : batch.commits()) {
      if (commit.mark.as<SimMark>().end != obstacle_.at) continue;
      obstacle_.reached = true;
      while (!stop_) std::this_thread::sleep_for(1ms);
      throw Cancelled();
    }
  }
  void wind_down() noexcept override { stop_ = obstacle_.heeds_wind_down.load(); }
  void cancel() noexcept override { stop_ = true; }

 private:
  Obstacle& obstacle_;
  std::atomic<bool> stop_{false};
};

class RefusingProcessor final : public Processor {
 public:
  RefusingProcessor(const std::atomic<bool>& refuses, const ProcessorContext& context)
      : refuses_(refuses), set_aside_(context.set_aside) {}
  void process(Batch& batch) override {
    for (std::uint32_t i = 0; i < batch.size(); ++i) {
      if (!refuses_ || !is_poison(transaction_of(batch, i))) continue;
      set_aside_(batch, i, "simulated");
      batch.event(i).dropped = true;
    }
  }

 private:
  const std::atomic<bool>& refuses_;
  const decltype(ProcessorContext::set_aside) set_aside_;
};

class PipelineTest : public ::testing::Test {
 protected:
  PipelineTest() { world_.faults = false; }

  std::unique_ptr<Pipeline> make(std::size_t sinks = 1, bool second_required = true) {
    world_.sinks.clear();
    PipelineSpec spec;
    spec.name = "p";
    spec.source.id = "src";
    spec.source.build = [this](const SourceContext&) { return std::make_unique<ScriptedSource>(script_); };
    for (std::size_t i = 0; i < sinks; ++i) {
      SinkMaker maker;
      maker.id = "s" + std::to_string(i);
      maker.required = i == 0 || second_required;
      maker.hold.hold_secs = hold_secs_;
      maker.build = [this, i](const SinkContext&) { return std::make_unique<ScriptedSink>(targets_[i]); };
      spec.sinks.push_back(maker);
      world_.sinks.push_back({.id = maker.id, .complete_to = ~0ULL});
    }
    ProcessorMaker processor;
    processor.id = "stuck";
    processor.build = [this](const ProcessorContext&) { return std::make_unique<StuckProcessor>(obstacle_); };
    spec.processors.push_back(processor);
    if (journal_.enabled) {
      processor.id = "refusing";
      processor.build = [this](const ProcessorContext& context) {
        return std::make_unique<RefusingProcessor>(processor_refuses_, context);
      };
      spec.processors.push_back(processor);
      spec.journal = journal_;
      spec.journal_encoder = [] { return std::make_unique<testing::PlainEncoder>(); };
    }
    spec.batch.max_events = 10;
    spec.sink_batch_deadline = deadline_;
    return std::make_unique<Pipeline>(std::move(spec), store_);
  }

  template <class F>
  bool eventually(F&& condition, std::chrono::milliseconds within = 15s) {
    auto deadline = std::chrono::steady_clock::now() + within;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(2ms);
    }
    return true;
  }
  void expect_exact(std::size_t target, std::uint64_t count) {
    std::lock_guard lock(targets_[target].mutex);
    ASSERT_EQ(targets_[target].got.size(), count);
    for (std::uint64_t i = 0; i < count; ++i) ASSERT_EQ(targets_[target].got[i], i + 1);
  }

  Script script_;
  std::optional<std::chrono::seconds> deadline_;
  Obstacle obstacle_;
  JournalOptions journal_;
  std::atomic<bool> processor_refuses_{false};
  std::int64_t hold_secs_ = 86'400;
  Target targets_[2];
  testing::SimWorld world_{1};
  testing::SimStore store_{world_};
};

TEST_F(PipelineTest, DeliversDrainsOnStopAndGoesOnWhereItWas) {
  auto pipeline = make();
  script_.committed = 1000;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return targets_[0].count() >= 500; }));
  EXPECT_TRUE(pipeline->stop(5s));
  EXPECT_EQ(pipeline->status().status, Status::stopped);
  std::size_t delivered = targets_[0].count();
  script_.committed = 2000;
  pipeline->resume();
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 2000; }));
  EXPECT_TRUE(eventually([&] { return script_.released == 2000u; }));
  EXPECT_GE(delivered, 500u);
  expect_exact(0, 2000);
  EXPECT_EQ(pipeline->status().status, Status::running);
}

// What it had handed on is delivered, nothing of the batch that it held is, and all of that comes in the next run.
TEST_F(PipelineTest, AProcessorThatGetsNowhereDoesNotHoldUpAStop) {
  for (const bool heeds : {true, false}) {  // else it is cancelled when the deadline has passed
    auto pipeline = make();
    obstacle_.heeds_wind_down = heeds;
    obstacle_.reached = false;
    obstacle_.at = script_.committed + 500;
    script_.committed += 1000;
    pipeline->start();
    EXPECT_TRUE(eventually([&] { return obstacle_.reached.load(); }));
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(pipeline->stop(heeds ? 10s : 1s));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    EXPECT_LT(targets_[0].count(), obstacle_.at);
    if (heeds) {
      EXPECT_GE(targets_[0].count() + 10, obstacle_.at) << "what went before was drained";
    }
    obstacle_.at = ~0ULL;
    pipeline->resume();
    EXPECT_TRUE(eventually([&] { return targets_[0].count() == script_.committed; }));
    expect_exact(0, script_.committed);
    EXPECT_TRUE(pipeline->stop(5s));
  }
}

// The other sink is drained, nothing passes what waits, and it goes on once there is room.
TEST_F(PipelineTest, AFullJournalDoesNotHoldUpAStop) {
  journal_.enabled = true;
  journal_.dlq.max_entries = 1;
  journal_.dlq.overflow_policy = Overflow::block;
  for (const bool at_processor : {true, false}) {
    auto pipeline = make(2);
    const std::uint64_t first = script_.committed;  // the next but one poison event has no room
    processor_refuses_ = at_processor;
    targets_[0].refuses = !at_processor;
    script_.committed += 200;
    pipeline->start();
    const auto waits = [&] {
      const auto error = pipeline->status().error;
      return error && error->message.find("queue is full") != std::string::npos;
    };
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(eventually(waits));
      std::this_thread::sleep_for(std::chrono::milliseconds(700 * i));
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_FALSE(pipeline->stop(20s));
      EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
      pipeline->resume();
    }
    EXPECT_TRUE(eventually(waits));
    {
      std::lock_guard lock(targets_[0].mutex);
      EXPECT_LT(targets_[0].got.back(), first + 150);
    }
    EXPECT_LT(script_.released, first + 150);
    pipeline->journal()->purge();
    EXPECT_TRUE(eventually([&] { return script_.released == script_.committed; }));
    EXPECT_EQ(pipeline->journal()->count(), 1U);
    pipeline->journal()->purge();
    EXPECT_TRUE(pipeline->stop(5s));
    std::lock_guard lock(targets_[1].mutex);
    const std::set<std::uint64_t> got(targets_[1].got.begin(), targets_[1].got.end());
    EXPECT_EQ(got.size(), at_processor ? 198U : 398U) << "the other has all that it should have";
  }
}

// Whether it goes away while a replay is on its way to it, or was away before: the others get it at once, and once.
TEST_F(PipelineTest, ADeadLetterOfAProcessorDoesNotWaitForASinkThatIsAway) {
  journal_.enabled = true;
  auto pipeline = make(2, false);
  const auto refuse = [&](std::uint64_t up_to) {
    processor_refuses_ = true;
    script_.committed = up_to;
    EXPECT_TRUE(eventually([&] { return pipeline->journal()->count() == 1; }));
    EXPECT_TRUE(eventually([&] { return targets_[0].count() == up_to - 1; }));
    processor_refuses_ = false;
  };
  const auto expect_delivered = [&](std::uint64_t transaction) {
    const auto results = pipeline->retry({}).value();
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].result, Retried::Result::delivered) << results[0].why;
    EXPECT_EQ(pipeline->journal()->count(), 0U);
    std::lock_guard lock(targets_[0].mutex);
    EXPECT_EQ(std::ranges::count(targets_[0].got, transaction), 1);
  };
  pipeline->start();
  refuse(60);
  EXPECT_TRUE(eventually([&] { return targets_[1].count() == 59; }));
  targets_[1].down = true;
  expect_delivered(50);
  EXPECT_TRUE(eventually([&] { return pipeline->status().sinks.at(1).state == "detached"; }));
  refuse(200);
  expect_delivered(150);
  targets_[1].down = false;
  EXPECT_TRUE(eventually([&] { return targets_[1].count() == 200; }, 30s));
  EXPECT_TRUE(eventually([&] { return pipeline->journal()->parked_count() == 0; }));
  for (Target& target : targets_) {
    std::lock_guard lock(target.mutex);
    std::ranges::sort(target.got);
    ASSERT_EQ(target.got.size(), 200U);
    for (std::uint64_t i = 0; i < 200; ++i) EXPECT_EQ(target.got[i], i + 1);
  }
}

TEST_F(PipelineTest, AFailureElsewhereDoesNotWaitForAProcessor) {
  auto pipeline = make();
  obstacle_.at = 5;
  script_.committed = 10;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return obstacle_.reached.load(); }));
  script_.undecodable = true;
  EXPECT_TRUE(eventually([&] { return pipeline->status().status == Status::failed; }));
  EXPECT_TRUE(pipeline->stop(1s));
}

TEST_F(PipelineTest, PauseReadsNothingAndKeepsTheConnection) {
  auto pipeline = make();
  script_.committed = 10;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 10; }));
  pipeline->pause();
  EXPECT_EQ(pipeline->status().status, Status::paused);
  std::this_thread::sleep_for(300ms);  // the source may be in the middle of its look at the script
  script_.committed = 20;
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(targets_[0].count(), 10u);
  pipeline->resume();
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 20; }));
  EXPECT_EQ(script_.connects, 1);
}

TEST_F(PipelineTest, ALostLinkDegradesAndHealsAlone) {
  auto pipeline = make();
  script_.committed = 50;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 50; }));
  script_.link_up = false;
  EXPECT_TRUE(eventually([&] { return pipeline->status().status == Status::degraded; }));
  ASSERT_TRUE(pipeline->status().error.has_value());
  EXPECT_EQ(pipeline->status().error->kind, "unavailable");
  script_.committed = 100;
  script_.link_up = true;
  EXPECT_TRUE(eventually([&] { return pipeline->status().status == Status::running; }));
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 100; }));
  expect_exact(0, 100);
}

TEST_F(PipelineTest, ASinkThatIsAwayDegradesAndLosesNothing) {
  auto pipeline = make();
  targets_[0].down = true;
  script_.committed = 100;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return pipeline->status().status == Status::degraded; }));
  EXPECT_EQ(script_.released, 0u);
  targets_[0].down = false;
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 100; }));
  expect_exact(0, 100);
  EXPECT_TRUE(eventually([&] { return pipeline->status().status == Status::running; }));
}

TEST_F(PipelineTest, ASinkThatNeverAnswersShowsAsDegraded) {
  auto pipeline = make();
  targets_[0].swallow = true;
  script_.committed = 1;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return pipeline->status().status == Status::degraded; }));
  EXPECT_FALSE(pipeline->stop(100ms)) << "nothing was acknowledged: not drained";
}

TEST_F(PipelineTest, ABatchThatTakesTooLongIsSentAgainByANewSink) {
  deadline_ = 1s;
  auto pipeline = make();
  targets_[0].swallow = true;
  script_.committed = 1;
  const auto began = std::chrono::steady_clock::now();
  pipeline->start();
  auto given_up = [&] {
    const auto error = pipeline->status().error;
    return error && error->message.find("sink_batch_deadline_secs (1 s)") != std::string::npos;
  };
  EXPECT_TRUE(eventually(given_up, 5s));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 1s);
  targets_[0].swallow = false;
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 1; }, 5s));
  EXPECT_TRUE(eventually([&] { return pipeline->status().status == Status::running; }));
  expect_exact(0, 1);
}

TEST_F(PipelineTest, UndecodableBytesFailUntilResume) {
  auto pipeline = make();
  script_.undecodable = true;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return pipeline->status().status == Status::failed; }));
  EXPECT_EQ(pipeline->status().error->kind, "undecodable");
  script_.undecodable = false;
  script_.committed = 5;
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(pipeline->status().status, Status::failed);
  pipeline->resume();
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 5; }));
}

TEST_F(PipelineTest, WrongCredentialsFailWithTheRemedy) {
  auto pipeline = make();
  targets_[0].refuse_login = true;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return pipeline->status().status == Status::failed; }));
  EXPECT_EQ(pipeline->status().error->kind, "auth");
  EXPECT_EQ(pipeline->status().error->hint, "set the right one");
  EXPECT_TRUE(pipeline->stop(1s));
}

TEST_F(PipelineTest, AnOptionalSinkDetachesAndCatchesUp) {
  auto pipeline = make(2, false);
  targets_[1].down = true;
  script_.committed = 500;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 500; }, 30s)) << "the required sink must not wait for it";
  EXPECT_TRUE(eventually([&] { return pipeline->status().sinks.at(1).state == "detached"; }));
  EXPECT_EQ(script_.released, 0u) << "the log is held for the detached sink";
  EXPECT_TRUE(eventually([&] { return pipeline->status().lag_seconds == 0.0; })) << "those who are there have all";
  targets_[1].down = false;
  EXPECT_TRUE(eventually([&] { return targets_[1].count() == 500; }, 30s));
  expect_exact(0, 500);
  expect_exact(1, 500);
  EXPECT_TRUE(eventually([&] { return script_.released == 500u; }));
}

TEST_F(PipelineTest, ADetachedSinkThatAnswersAgainSaysSo) {
  auto pipeline = make(2, false);
  const auto detach_and_return = [&] {
    targets_[1].down = true;
    script_.committed += 500;
    EXPECT_TRUE(eventually([&] { return pipeline->status().sinks.at(1).state == "detached"; }, 30s));
    targets_[1].down = false;
  };
  pipeline->start();
  detach_and_return();
  EXPECT_TRUE(eventually([&] { return targets_[1].count() == 500; }, 30s));
  detach_and_return();  // the next restart comes 30 s after the first at the earliest
  EXPECT_TRUE(eventually([&] {
    const auto sink = pipeline->status().sinks.at(1);
    return sink.state == "detached" && sink.error.value_or("").starts_with("it answers again");
  }));
}

TEST_F(PipelineTest, ASinkThatStaysAwayIsLostAndStaysOut) {
  hold_secs_ = 1;
  auto pipeline = make(2, false);
  targets_[1].down = true;
  script_.committed = 500;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return pipeline->status().sinks.at(1).state == "lost"; }, 30s));
  EXPECT_TRUE(eventually([&] { return script_.released == 500u; })) << "the log is let go";
  const auto lost = pipeline->status();
  EXPECT_EQ(lost.status, Status::degraded);
  EXPECT_NE(lost.sinks.at(1).error->find("put it in again"), std::string::npos) << *lost.sinks.at(1).error;
  targets_[1].down = false;
  EXPECT_TRUE(pipeline->stop(5s));
  EXPECT_EQ(pipeline->status().sinks.at(1).state, "lost");
  pipeline = make(2, false);
  targets_[1].holds_position = true;  // it would be waited for
  script_.committed = 600;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return script_.released == 600u; }));
  EXPECT_EQ(pipeline->status().sinks.at(1).state, "lost");
  EXPECT_EQ(targets_[1].opened, 0);
  EXPECT_TRUE(eventually([&] { return pipeline->status().lag_seconds == 0.0; }));
  expect_exact(0, 600);
}

TEST_F(PipelineTest, ASlowOptionalSinkDoesNotHoldTheOthersUp) {
  auto pipeline = make(2, false);
  targets_[1].slow_ms = 50;
  script_.committed = 5000;  // 25 s for the slow one
  const auto began = std::chrono::steady_clock::now();
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 5000; }, 15s));
  EXPECT_GT(std::chrono::steady_clock::now() - began, 4s);
  const auto status = pipeline->status();
  EXPECT_EQ(status.sinks.at(1).state, "detached");
  EXPECT_NE(status.sinks.at(1).error->find("waited for it alone"), std::string::npos);
  EXPECT_LE(script_.connects, 2);
  targets_[1].slow_ms = 0;
  EXPECT_TRUE(eventually([&] { return targets_[1].count() == 5000; }, 60s));
  expect_exact(0, 5000);
  expect_exact(1, 5000);
}

TEST_F(PipelineTest, AnOptionalSinkThatHoldsItsPositionDoesNotHoldUpAStart) {
  targets_[1].holds_position = true;
  {
    auto pipeline = make(2, false);
    script_.committed = 100;
    pipeline->start();
    EXPECT_TRUE(eventually([&] { return script_.released == 100u; }));
  }
  targets_[1].down = true;
  auto pipeline = make(2, false);
  script_.committed = 200;
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == 200; }, 20s));
  EXPECT_EQ(pipeline->status().sinks.at(1).state, "detached");
  targets_[1].down = false;
  EXPECT_TRUE(eventually([&] { return targets_[1].count() == 200; }, 20s));
  expect_exact(0, 200);
  expect_exact(1, 200);
}

TEST_F(PipelineTest, ManyStopsAndStartsAreHarmless) {
  auto pipeline = make();
  for (std::uint64_t i = 1; i <= 30; ++i) {
    script_.committed += 7;
    pipeline->start();
    if (i % 3 == 0) pipeline->pause();
    if (i % 4 == 0) pipeline->resume();
    EXPECT_TRUE(pipeline->stop(5s));
  }
  pipeline->start();
  EXPECT_TRUE(eventually([&] { return targets_[0].count() == script_.committed; }));
  expect_exact(0, script_.committed);
}

}  // namespace
}  // namespace deltaforge::pipeline
