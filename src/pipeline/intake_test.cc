#include "pipeline/intake.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "base/error.h"
#include "pipeline/testing/sim_engine.h"

namespace deltaforge::pipeline {
namespace {

using testing::SimAlgebra;
using testing::SimClock;
using testing::SimMark;
using namespace std::chrono_literals;

class IntakeTest : public ::testing::Test {
 protected:
  void make(std::size_t batches = 3) {
    pool_.emplace(batches, budget_, wake_);
    cut_.emplace(batches);
    intake_.emplace(
        BatchIntake::Parts{*pool_, budget_, wake_, *cut_, [] {}, [this] { return idle_; }, algebra_, clock_}, options_);
    intake_->begin_at(testing::sim_position(1));
  }
  void rows(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      ASSERT_TRUE(intake_->room());
      intake_->event().ordinal = i + 1;
    }
  }
  void commit(std::uint64_t end) {
    ASSERT_TRUE(intake_->room());
    intake_->commit(Mark::of(SimMark{end}), {.ts_us = 1});
  }
  static Hash128 transaction(std::uint64_t end) {
    Hash128 hash{};
    store_big_endian(hash.data(), end);
    return hash;
  }
  // One row each.
  void transactions(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t end = first; end <= last; ++end) {
      rows(1);
      ASSERT_TRUE(intake_->room());
      intake_->commit(Mark::of(SimMark{end}), {.ts_us = 1, .id_hash = transaction(end)});
    }
  }
  void repeat(std::uint64_t first, std::uint64_t last) {
    const Stretch stretch{transaction(first), transaction(last), static_cast<std::uint32_t>(last - first + 1)};
    intake_->repeat({&stretch, 1}, "shop");
  }
  std::vector<std::size_t> sizes() {
    std::vector<std::size_t> found;
    while (const BatchPtr batch = next()) found.push_back(batch->size());
    return found;
  }
  BatchPtr next() {
    BatchPtr batch;
    cut_->try_pop(batch);
    return batch;
  }

  BatchOptions options_;
  PageBudget budget_{4 * 1024 * 1024};
  WakeFd wake_;
  SimAlgebra algebra_;
  SimClock clock_;
  bool idle_ = false;
  std::optional<BatchPool> pool_;
  std::optional<Handoff<BatchPtr>> cut_;
  std::optional<BatchIntake> intake_;
};

TEST_F(IntakeTest, CutsAtTheCommitThatReachesMaxEvents) {
  options_.max_events = 3;
  make();
  rows(10);
  EXPECT_EQ(next(), nullptr) << "a transaction is never split";
  commit(10);
  BatchPtr batch = next();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->size(), 10u);
  EXPECT_EQ(batch->commits().size(), 1u);
  EXPECT_EQ(batch->event(9).total_order, 10u);
}

TEST_F(IntakeTest, CutsAtTheCommitThatReachesMaxBytes) {
  options_.max_bytes.count = 1024 * 1024;
  make();
  rows(1);
  intake_->pages().allocate(512 * 1024);
  commit(10);
  EXPECT_EQ(next(), nullptr) << "half of it";
  rows(1);
  intake_->pages().allocate(512 * 1024);
  EXPECT_TRUE(intake_->room());
  EXPECT_EQ(next(), nullptr) << "a transaction is never split";
  commit(11);
  BatchPtr batch = next();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->size(), 2u);
  EXPECT_EQ(batch->commits().size(), 2u);
}

TEST_F(IntakeTest, TimerCutsOnlyBetweenTransactions) {
  make();
  rows(1);
  commit(10);
  EXPECT_EQ(intake_->deadline(), clock_.now() + 50ms);
  rows(1);
  clock_.advance(60ms);
  EXPECT_TRUE(intake_->room());
  EXPECT_EQ(next(), nullptr) << "a transaction is open";
  commit(11);
  EXPECT_TRUE(intake_->room());
  BatchPtr batch = next();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->commits().size(), 2u);
}

TEST_F(IntakeTest, RollbackLeavesNothingBehind) {
  make();
  rows(2);
  commit(10);
  rows(5);
  intake_->rollback();
  EXPECT_EQ(testing::end_of(intake_->resume_position()), 10u);
  rows(1);
  commit(12);
  intake_->finish();
  BatchPtr batch = next();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->size(), 3u);
  EXPECT_EQ(batch->event(2).total_order, 1u);
  EXPECT_EQ(batch->event(2).commit, 1u);
}

TEST_F(IntakeTest, ATransactionBeginsWithItsFirstPage) {
  make();
  rows(1);
  commit(10);
  ASSERT_TRUE(intake_->room());
  intake_->pages().allocate(2 * 1024 * 1024);  // its first row is being received
  clock_.advance(1h);
  intake_->pause(true);
  EXPECT_TRUE(intake_->room());
  EXPECT_EQ(next(), nullptr) << "the batch went away under the row";
  intake_->event().ordinal = 1;
  commit(11);
  EXPECT_FALSE(intake_->room());
  BatchPtr batch = next();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->commits().size(), 2u);
}

TEST_F(IntakeTest, PauseCountsBetweenTransactionsAndCutsWhatIsThere) {
  make();
  rows(1);
  intake_->pause(true);
  EXPECT_TRUE(intake_->room()) << "inside a transaction pause does not count";
  commit(10);
  EXPECT_FALSE(intake_->room());
  EXPECT_NE(next(), nullptr);
  intake_->pause(false);
  pollfd ready{intake_->wake_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 0), 1);
  EXPECT_TRUE(intake_->room());
}

TEST_F(IntakeTest, NoRoomWithoutAFreeBatchAndAWakeWhenOneComesBack) {
  options_.max_events = 1;
  make(1);
  rows(1);
  commit(10);
  EXPECT_FALSE(intake_->room());
  pollfd ready{intake_->wake_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 0), 0);
  next().reset();
  EXPECT_EQ(poll(&ready, 1, 0), 1);
  EXPECT_TRUE(intake_->room());
}

TEST_F(IntakeTest, NoRoomWhenMemoryIsUsedUpUnlessTheOpenBatchAloneIsTheReason) {
  options_.max_events = 1;
  make();
  rows(1);
  intake_->pages().allocate(3 * 1024 * 1024);
  commit(10);  // in flight: 3 MiB
  rows(1);
  intake_->pages().allocate(1024 * 1024);
  EXPECT_FALSE(intake_->room());
  next().reset();
  intake_->pages().allocate(8 * 1024 * 1024);
  EXPECT_TRUE(intake_->room());
}

TEST_F(IntakeTest, TransactionBeyondMaxTxBytesStops) {
  options_.max_tx_bytes.count = 1024 * 1024;
  make();
  rows(1);
  intake_->pages().allocate(768 * 1024);
  commit(10);
  rows(1);
  intake_->pages().allocate(768 * 1024);
  EXPECT_TRUE(intake_->room()) << "each by itself is within the limit";
  intake_->pages().allocate(512 * 1024);
  try {
    intake_->room();
    FAIL() << "the limit was not seen";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::limit);
    EXPECT_NE(std::string(error.what()).find("batch.max_tx_bytes"), std::string::npos);
  }
}

TEST_F(IntakeTest, PagesOfALargeTransactionThatIsDroppedComeBack) {
  options_.max_bytes.count = 1024 * 1024;
  make();
  rows(1);
  commit(10);
  rows(1);
  intake_->pages().allocate(2 * 1024 * 1024);
  intake_->rollback();
  BatchPtr batch = next();
  ASSERT_NE(batch, nullptr) << "what was committed goes on, and takes the pages with it";
  EXPECT_EQ(batch->size(), 1u);
  EXPECT_EQ(batch->commits().size(), 1u);
  batch.reset();
  EXPECT_EQ(budget_.used(), 0u);
  rows(1);
  commit(11);
  intake_->finish();
  EXPECT_EQ(next()->size(), 1u);
}

TEST_F(IntakeTest, DrainedStreamCutsAtOnceWhenNoLaneIsBusy) {
  make();
  rows(1);
  commit(10);
  intake_->drained();
  EXPECT_EQ(next(), nullptr) << "lanes are busy";
  idle_ = true;
  rows(1);
  intake_->drained();
  EXPECT_EQ(next(), nullptr) << "a transaction is open";
  commit(11);
  intake_->drained();
  EXPECT_NE(next(), nullptr);
}

TEST_F(IntakeTest, IdleRecordsAreConflatedAndGoOutAtMostEveryTenSeconds) {
  make();
  clock_.advance(1h);
  intake_->idle(Mark::of(SimMark{10}));
  EXPECT_TRUE(intake_->room());
  ASSERT_NE(next(), nullptr) << "the first one goes at once";
  EXPECT_TRUE(intake_->room());
  intake_->idle(Mark::of(SimMark{11}));
  clock_.advance(5s);
  intake_->idle(Mark::of(SimMark{12}));
  EXPECT_TRUE(intake_->room());
  EXPECT_EQ(next(), nullptr);
  clock_.advance(6s);
  EXPECT_TRUE(intake_->room());
  BatchPtr batch = next();
  ASSERT_NE(batch, nullptr);
  ASSERT_EQ(batch->commits().size(), 1u);
  EXPECT_EQ(batch->commits()[0].mark.as<SimMark>().end, 12u);
  EXPECT_EQ(batch->marks()[0].as<SimMark>().end, 12u);
}

TEST_F(IntakeTest, ACommitIsNotTakenForTheIdleRecordBeforeIt) {
  make();
  commit(2);
  EXPECT_TRUE(intake_->room());
  ASSERT_NE(next(), nullptr) << "the first one goes at once";
  intake_->idle(Mark::of(SimMark{10}));
  commit(11);  // without rows
  intake_->idle(Mark::of(SimMark{12}));
  intake_->finish();
  BatchPtr batch = next();
  ASSERT_NE(batch, nullptr);
  ASSERT_EQ(batch->marks().size(), 3u);
  EXPECT_EQ(batch->marks()[1].as<SimMark>().end, 11u);
}

TEST_F(IntakeTest, AFloodOfTransactionsWithoutRowsIsCut) {
  make();
  commit(2);
  EXPECT_TRUE(intake_->room());
  ASSERT_NE(next(), nullptr) << "the first one goes at once";
  for (std::uint64_t end = 3; end < 70'000; ++end) commit(end);
  BatchPtr batch = next();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->size(), 0u);
  EXPECT_EQ(batch->commits().size(), 65'536u);
}

TEST_F(IntakeTest, WhatWasSentIsCutAsItWas) {
  options_.max_events = 2;
  make(9);
  repeat(10, 14);
  repeat(15, 15);
  transactions(10, 18);
  EXPECT_EQ(sizes(), (std::vector<std::size_t>{5, 1, 2}));
}

TEST_F(IntakeTest, NeitherTimerNorPauseNorAnEmptyStreamEndsAStretch) {
  idle_ = true;
  make();
  repeat(10, 12);
  transactions(10, 11);
  clock_.advance(1h);
  EXPECT_TRUE(intake_->room());
  EXPECT_EQ(intake_->deadline(), SteadyTime::max());
  intake_->drained();
  EXPECT_EQ(intake_->deadline(), clock_.now() + Recut::kPatience);
  intake_->pause(true);
  EXPECT_FALSE(intake_->room());
  clock_.advance(1h);
  intake_->pause(false);
  EXPECT_EQ(next(), nullptr);
  transactions(12, 12);
  EXPECT_EQ(sizes(), (std::vector<std::size_t>{3}));
}

TEST_F(IntakeTest, AStretchIsNotWaitedForWhereTheStreamHasNoMore) {
  make();
  repeat(10, 12);
  transactions(10, 11);
  intake_->drained();
  clock_.advance(Recut::kPatience - 1ms);
  EXPECT_TRUE(intake_->room());
  EXPECT_EQ(next(), nullptr);
  clock_.advance(1ms);
  EXPECT_TRUE(intake_->room());
  EXPECT_EQ(sizes(), (std::vector<std::size_t>{2}));
}

TEST_F(IntakeTest, AtTheEndHalfAStretchIsLeftToTheNextRun) {
  make();
  repeat(10, 12);
  transactions(10, 11);
  intake_->finish();
  EXPECT_EQ(next(), nullptr);
  EXPECT_EQ(pool_->outstanding(), 0u);
}

TEST_F(IntakeTest, ALostLinkInsideAStretch) {
  options_.max_bytes.count = 1024 * 1024;
  make();
  repeat(10, 11);
  transactions(10, 10);
  rows(1);
  intake_->pages().allocate(2 * 1024 * 1024);
  intake_->drained();
  intake_->rollback();
  EXPECT_EQ(next(), nullptr);
  transactions(11, 11);
  EXPECT_EQ(sizes(), (std::vector<std::size_t>{2}));
}

}  // namespace
}  // namespace deltaforge::pipeline
