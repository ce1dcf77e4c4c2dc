// What is held for a detached sink, when it is lost, which lane holds the others up, and how often the source is read
// again: each alone, without threads, with a clock that the test drives.
#include "pipeline/hold.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "pipeline/journal.h"
#include "pipeline/reread.h"
#include "pipeline/retire.h"
#include "pipeline/slow_lanes.h"
#include "pipeline/start_positions.h"
#include "pipeline/state_keys.h"
#include "pipeline/testing/sim_store.h"
#include "pipeline/testing/sim_world.h"

namespace deltaforge::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::end_of;
using testing::sim_position;
using testing::SimMark;

class HandClock final : public Clock {
 public:
  SteadyTime now() const override { return now_; }
  std::int64_t wall_us() const override { return wall_us_; }
  void advance(std::chrono::seconds by) {
    now_ += by;
    wall_us_ += std::chrono::microseconds(by).count();
  }

 private:
  SteadyTime now_{std::chrono::hours(1)};
  std::int64_t wall_us_ = 1'700'000'000'000'000;
};

// One required sink, and an optional one that is looked at.
class HoldTest : public ::testing::Test {
 protected:
  HoldTest() {
    world_.faults = false;
    world_.sinks = {{.id = "main", .complete_to = ~0ULL}, {.id = "extra", .complete_to = ~0ULL}};
    for (const char* id : {"main", "extra"}) {
      SinkMaker maker;
      maker.id = id;
      maker.required = maker.id == "main";
      maker.hold = {.hold_secs = 100, .hold_bytes = {1000}};
      sinks_.push_back(maker);
    }
    restart();
  }

  // As after a restart of the process; the sinks stand at these positions.
  void restart(std::uint64_t main = 0, std::uint64_t extra = 0) {
    passed_ = 0;
    lost_.clear();
    holds_.reset();
    ledger_ = std::make_unique<Ledger>(2, algebra_, rule_, clock_);
    holds_ = std::make_unique<Holds>(Holds::Parts{.store = store_,
                                                  .ledger = *ledger_,
                                                  .algebra = algebra_,
                                                  .clock = clock_,
                                                  .pipeline = "p",
                                                  .source_id = "pg",
                                                  .sinks = sinks_,
                                                  .passed = [this] { return passed_; },
                                                  .lost = [this](std::size_t sink) { lost_.push_back(sink); },
                                                  .release = [this](const Position& to) { released_ = end_of(to); }});
    ledger_->begin(0, sim_position(main));
    ledger_->begin(1, sim_position(extra));
    holds_->begin({sim_position(main), sim_position(extra)});
  }
  void deliver(std::size_t sink, std::uint64_t end) {
    ledger_->delivered(sink, sim_position(end));
    std::vector<Position> moved;
    ledger_->take(moved);
    released_ = end_of(ledger_->stored(moved));
  }
  std::optional<Hold> record() { return Hold::read(store_, "pg::sink::extra"); }

  HandClock clock_;
  testing::SimWorld world_{1};
  testing::SimStore store_{world_};
  testing::SimAlgebra algebra_;
  CommitRule rule_{{CommitMode::required, 0}, {true, false}};
  std::vector<SinkMaker> sinks_;
  std::uint64_t passed_ = 0, released_ = 0;
  std::vector<std::size_t> lost_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Holds> holds_;
};

TEST_F(HoldTest, NothingIsHeldWhileAllAreAttached) {
  EXPECT_EQ(holds_->step(), SteadyTime::max());
  EXPECT_FALSE(record());
}

TEST_F(HoldTest, TheRecordStaysUntilTheSinkHasWhatTheOthersHadAtTheStart) {
  deliver(0, 50);
  ASSERT_TRUE(ledger_->detach(1));
  EXPECT_EQ(holds_->step(), clock_.now() + 1s);
  ASSERT_TRUE(record());
  const std::int64_t since = record()->since;
  clock_.advance(40s);
  restart(50, 10);
  holds_->step();
  deliver(1, 40);
  holds_->step();
  EXPECT_TRUE(record()) << "it has not caught up";
  ASSERT_TRUE(ledger_->detach(1));
  holds_->step();
  EXPECT_EQ(record()->since, since) << "time is counted from the first detaching";
  restart(60, 40);
  deliver(0, 70);
  deliver(1, 60);
  holds_->step();
  EXPECT_FALSE(record());
}

TEST_F(HoldTest, AfterHoldSecsTheSinkIsLostAndTheLogReleased) {
  deliver(0, 50);
  deliver(1, 20);
  ASSERT_TRUE(ledger_->detach(1));
  holds_->step();
  clock_.advance(99s);
  holds_->step();
  EXPECT_TRUE(lost_.empty());
  EXPECT_EQ(released_, 20u);
  clock_.advance(1s);
  holds_->step();
  EXPECT_EQ(lost_, std::vector<std::size_t>{1});
  EXPECT_EQ(released_, 50u);
  ASSERT_TRUE(record());
  EXPECT_TRUE(record()->lost);
  ASSERT_TRUE(holds_->message(1));
  EXPECT_NE(holds_->message(1)->find("hold_secs (100)"), std::string::npos) << *holds_->message(1);
  deliver(0, 60);
  EXPECT_EQ(released_, 60u);
}

TEST_F(HoldTest, TimeGoesOnWhileTheProcessIsDown) {
  ASSERT_TRUE(ledger_->detach(1));
  holds_->step();
  clock_.advance(200s);
  restart(50, 10);
  holds_->step();
  EXPECT_TRUE(lost_.empty()) << "it may catch up";
  ASSERT_TRUE(ledger_->detach(1));
  holds_->step();
  EXPECT_EQ(lost_.size(), 1u);
}

TEST_F(HoldTest, BytesCountFromTheDetachingOrFromTheStartOfTheRun) {
  passed_ = 5000;
  deliver(1, 20);
  ASSERT_TRUE(ledger_->detach(1));
  holds_->step();
  passed_ = 5999;
  holds_->step();
  EXPECT_TRUE(lost_.empty());
  restart(50, 20);
  passed_ = 990;
  ASSERT_TRUE(ledger_->detach(1)) << "it has delivered nothing in this run";
  holds_->step();
  EXPECT_TRUE(lost_.empty());
  passed_ = 1000;
  holds_->step();
  ASSERT_EQ(lost_.size(), 1u);
  EXPECT_NE(record()->why.find("hold_bytes (1000)"), std::string::npos);
}

TEST_F(HoldTest, ALostSinkIsOutOfTheNextRunToo) {
  ASSERT_TRUE(ledger_->detach(1));
  holds_->step();
  clock_.advance(100s);
  holds_->step();
  restart(50, 10);
  EXPECT_TRUE(holds_->is_lost(1));
  EXPECT_TRUE(ledger_->is_detached(1));
  deliver(0, 60);
  EXPECT_EQ(released_, 60u);
  clock_.advance(1000s);
  EXPECT_EQ(holds_->step(), SteadyTime::max());
  EXPECT_TRUE(lost_.empty()) << "told once";
}

TEST_F(HoldTest, APolicyThatNeedsALostSinkCannotRun) {
  ASSERT_TRUE(ledger_->detach(1));
  holds_->step();
  clock_.advance(100s);
  holds_->step();
  rule_ = CommitRule({CommitMode::all, 0}, {true, false});
  try {
    restart();
    FAIL() << "what is missing in the sink went unnoticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::sink_state);
    EXPECT_NE(error.hint().find("put it in again"), std::string::npos);
  }
}

TEST_F(HoldTest, ASinkThatIsTakenOutIsForgotten) {
  ASSERT_TRUE(ledger_->detach(1));
  holds_->step();
  forget_positions(store_, "pg::sink::extra");
  EXPECT_FALSE(record());
}

TEST_F(HoldTest, OfSinksThatAreGoneNothingStays) {
  PipelineSpec spec;
  spec.source.id = "pg";
  spec.sinks = sinks_;
  ASSERT_TRUE(ledger_->detach(1));
  holds_->step();
  const Store::Entry entries[] = {{kCheckpointsShort, "pg::sink::gone", "1"},
                                  {kOrigins, "pg::sink::never", "1"},
                                  {kHolds, "pg::sink::gone", "1"},
                                  {kOrigins, "pg2::sink::gone", "1"}};
  store_.put(entries);
  forget_strangers(spec, store_);
  for (const auto& [ns, key, value] : entries) EXPECT_EQ(store_.get(ns, key).has_value(), key == "pg2::sink::gone");
  EXPECT_TRUE(record());
}

TEST_F(HoldTest, ASinkThatIsGoneTakesItsDeadLettersAlong) {
  PipelineSpec spec;
  spec.name = "shop";
  spec.source.id = "pg";
  const std::vector<std::string> names = {"sink:gone 1", "sink:gone2 2", "processor:gone 3", "sink:gone 4"};
  for (const std::string& queue : {Journal::dead_letters_of("shop"), Journal::parked_of("shop")})
    for (const std::string& name : names) {
      const Store::Pushed item{name, "{}"};
      store_.push(Journal::kNamespace, queue, {&item, 1});
    }
  forget_sinks(spec, store_, {"gone"});
  for (const std::string& queue : {Journal::dead_letters_of("shop"), Journal::parked_of("shop")}) {
    std::vector<std::string> left;
    for (const Store::Item& item : store_.peek(Journal::kNamespace, queue, 10, 0)) left.push_back(item.id);
    EXPECT_EQ(left, (std::vector<std::string>{"sink:gone2 2", "processor:gone 3"})) << queue;
  }
}

TEST_F(HoldTest, ADamagedRecordIsNoneOfAnother) {
  for (const char* text : {"", "{}", R"({"v":2,"since":1,"lost":false})", R"({"v":1,"since":"x","lost":true})"}) {
    const Store::Entry entry{kHolds, "pg::sink::extra", text};
    store_.put({&entry, 1});
    EXPECT_THROW(record(), Error) << text;
  }
}

TEST(LedgerTest, SinksDropOutOnlyAsFarAsThePolicyAllows) {
  testing::SimAlgebra algebra;
  Ledger quorum(3, algebra, CommitRule({CommitMode::quorum, 2}, {true, true, true}), Clock::system());
  EXPECT_TRUE(quorum.detach(2));
  EXPECT_FALSE(quorum.detach(1));
  EXPECT_FALSE(quorum.is_detached(1));
  Ledger all(2, algebra, CommitRule({CommitMode::all, 0}, {true, false}), Clock::system());
  EXPECT_FALSE(all.detach(1));
}

using Lanes = std::vector<std::size_t>;

TEST(SlowLanesTest, AreThoseThatTheOthersWaitedForMostOfTheTime) {
  SteadyTime now{1h};
  SlowLanes slow;
  EXPECT_EQ(slow.note(now, {1}), Lanes()) << "what was long ago does not count";
  EXPECT_EQ(slow.due(), now + 5s);
  EXPECT_EQ(slow.note(now + 2s, {}), Lanes());
  EXPECT_EQ(slow.due(), SteadyTime::max());
  EXPECT_EQ(slow.note(now + 3s, {1}), Lanes());
  EXPECT_EQ(slow.note(now + 5s, {1}), Lanes{1}) << "4 s of 5";
  EXPECT_EQ(slow.note(now + 6s, {0}), Lanes());
  EXPECT_EQ(slow.note(now + 7s, {}), Lanes());
  EXPECT_EQ(slow.note(now + 11s, {1}), Lanes()) << "each waited for 1 s of 6";
  EXPECT_EQ(slow.note(now + 16s, {}), Lanes{1});
}

TEST(SlowLanesTest, MayBeSeveral) {
  SteadyTime now{1h};
  SlowLanes slow;
  slow.note(now, {1, 2});
  slow.note(now + 3s, {1});
  EXPECT_EQ(slow.note(now + 5s, {}), (Lanes{1, 2}));
}

TEST(RereadTest, IsOverWhenTheFurthestHasBeenPassed) {
  HandClock clock;
  testing::SimAlgebra algebra;
  Reread reread(algebra, clock, 3s);
  EXPECT_FALSE(reread.over());
  EXPECT_FALSE(reread.is_patient());
  reread.begin(sim_position(10), {sim_position(10), sim_position(30), Position()});
  EXPECT_FALSE(reread.over());
  clock.advance(2s);
  reread.passed(std::vector<Mark>{Mark::of(SimMark{20})}, false);
  EXPECT_FALSE(reread.over());
  EXPECT_FALSE(reread.last_event());
  EXPECT_TRUE(reread.is_patient());
  EXPECT_EQ(reread.last(), clock.now());
  clock.advance(2s);
  EXPECT_FALSE(reread.is_patient()) << "after 3 s";
  reread.passed(std::vector<Mark>{Mark::of(SimMark{30})}, true);
  const SteadyTime over = clock.now();
  clock.advance(2s);
  reread.passed(std::vector<Mark>{Mark::of(SimMark{40})}, true);
  reread.end();
  EXPECT_EQ(reread.over(), over);
  EXPECT_EQ(reread.last_event(), clock.now());
}

TEST(RereadTest, IsOverAtOnceWhenAllStandAtOnePlace) {
  HandClock clock;
  testing::SimAlgebra algebra;
  Reread level(algebra, clock, 1h), quiet(algebra, clock, 1h);
  level.begin(sim_position(10), {sim_position(10)});
  EXPECT_EQ(level.over(), clock.now());
  EXPECT_FALSE(level.is_patient()) << "what comes is new to all";
  quiet.begin(sim_position(10), {sim_position(10), sim_position(11)});
  const SteadyTime began = clock.now();
  clock.advance(5s);
  quiet.end();
  EXPECT_EQ(quiet.over(), began) << "nothing has come since";
}

TEST(RejoinSpacingTest, ReadingAgainTakesATenthOfTheTimeAtMost) {
  const SteadyTime t{1h};
  RejoinSpacing spacing;
  spacing.begun();
  EXPECT_LE(spacing.next(t + 60s, false), t) << "it did not begin for a sink";
  spacing.restarting(t + 100s, false);
  spacing.begun();
  EXPECT_EQ(spacing.next(t + 101s, false), t + 130s) << "every 30 s at most";
  EXPECT_EQ(spacing.next(t + 106s, false), t + 160s) << "the drain counts, too";
  EXPECT_EQ(spacing.next(t + 106s, true), t + 130s) << "nobody missed anything";
  EXPECT_EQ(spacing.patience(), 0s);
  spacing.begun();
  EXPECT_LE(spacing.next(t + 500s, false), t) << "a run that failed and began again is none for a sink";
  spacing.restarting(t + 600s, true);
  EXPECT_EQ(spacing.patience(), 0s) << "of the run that ends";
  spacing.begun();
  EXPECT_EQ(spacing.patience(), RejoinSpacing::kQuietPatience);
}

}  // namespace
}  // namespace deltaforge::pipeline
