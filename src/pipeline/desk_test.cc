#include "pipeline/desk.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/event_id.h"
#include "pipeline/position_record.h"
#include "pipeline/testing/plain_encoder.h"
#include "pipeline/testing/sim_rows.h"
#include "pipeline/testing/sim_store.h"
#include "pipeline/testing/sim_world.h"

namespace deltaforge::pipeline {
namespace {

using testing::sim_position;
using testing::SimMark;

struct Home final : BatchHome {
  void recycle(Batch* batch) noexcept override { delete batch; }
};

class DeskTest : public ::testing::Test {
 protected:
  DeskTest() { world_.faults = false; }

  static bool is_letter(Desk& desk, const Batch& batch, std::uint32_t event) {
    std::vector<std::uint32_t> letters;
    EXPECT_EQ(desk.find_letters(batch, {&event, 1}, letters), std::nullopt);
    return !letters.empty();
  }
  // The event of row `key`, each of a transaction of its own, which ends at 100 + key.
  BatchPtr batch(std::vector<unsigned> keys, bool of_log) {
    BatchPtr made(new Batch(budget_, home_));
    for (const unsigned key : keys) {
      Commit commit;
      commit.ts_us = 100 + key;
      commit.id_hash = transaction_hash("sim", "1", std::to_string(key));
      commit.mark = Mark::of(SimMark{100 + key});
      commit.first = made->size();
      commit.last = commit.first + 1;
      if (of_log) made->marks().push_back(commit.mark);
      made->commits().push_back(commit);
      Event& event = made->add_event();
      event.schema = &testing::SimRows::schema(0);
      event.commit = static_cast<std::uint32_t>(made->commits().size() - 1);
      event.ordinal = event.total_order = 1;
      const std::span<Value> values = made->pages().array<Value>(2);
      values[0] = Value::int64(key);
      values[1] = Value::int64(0);
      event.after = {values, true};
    }
    return made;
  }
  static JournalOptions options() {
    JournalOptions journal;
    journal.enabled = true;
    return journal;
  }
  std::unique_ptr<Desk> desk(Stage stage) {
    return std::make_unique<Desk>(Desk::Parts{journal_, batches_, std::move(stage), algebra_, codec_});
  }
  static Reject reject(std::uint32_t event) { return {event, "processor", "simulated"}; }

  testing::SimWorld world_{1};
  testing::SimStore store_{world_};
  testing::SimAlgebra algebra_;
  RecordCodec codec_{algebra_, "sim", 1};
  PageBudget budget_{1 << 20};
  Home home_;
  ReplayBatches batches_{std::string()};
  Journal journal_{options(), "sim", store_, std::make_unique<testing::PlainEncoder>(), Clock::system()};
};

// What became a dead letter when it was released was in no call that the log's events were in.
TEST_F(DeskTest, OnlyWhatFailedWhereTheLogShowedItIsALetterOfTheLog) {
  const auto at_processor = desk({true, "js"});
  const Position base = sim_position(90);
  const std::vector<Order> orders{{0, 102, 0}};
  EXPECT_EQ(at_processor->keep(*batch({1}, true), reject(0), base, {}), std::nullopt);
  EXPECT_EQ(at_processor->keep(*batch({2}, false), reject(0), base, orders), std::nullopt);
  const BatchPtr again = batch({1, 2, 3}, true);
  EXPECT_TRUE(is_letter(*at_processor, *again, 0));
  EXPECT_FALSE(is_letter(*at_processor, *again, 1));
  EXPECT_FALSE(is_letter(*at_processor, *again, 2));
  EXPECT_TRUE(is_letter(*at_processor, *batch({2}, false), 0)) << "the replay comes again as it was";
  // A retry does not change what it was.
  EXPECT_EQ(at_processor->keep(*batch({1}, false), reject(0), base, orders), std::nullopt);
  EXPECT_EQ(at_processor->keep(*batch({2}, true), reject(0), base, {}), std::nullopt);
  EXPECT_TRUE(is_letter(*at_processor, *again, 0));
  EXPECT_FALSE(is_letter(*at_processor, *again, 1));
}

// Before it the sink gets what is older, and never what is put off a second time.
TEST_F(DeskTest, WhatIsPutOffComesInItsPlaceInTheNextRun) {
  const auto put_off = [&](unsigned key) {
    std::string position = codec_.print(sim_position(100 + key));
    return Replay{.batch = BatchRef(batch({key}, false)),
                  .kind = Replay::Kind::passed_on,
                  .orders = {{0, 100 + key, 0}},
                  .positions = {std::move(position)}};
  };
  {
    const auto before = desk({false, "s"});
    for (const unsigned key : {2u, 8u, 8u}) EXPECT_EQ(before->put_off(put_off(key)), std::nullopt);
  }
  EXPECT_EQ(journal_.parked_count(), 2U);
  const auto next = desk({false, "s"});
  const Position start = sim_position(105);
  next->begin(start);
  auto first = next->release();
  ASSERT_TRUE(first && first->batch->size() == 1) << "the log does not show it again";
  EXPECT_EQ(first->batch->event(0).after.values[0].as_int64(), 2);
  first->done({});
  EXPECT_FALSE(next->release()) << "the other may not pass what is read again";
  const BatchPtr log = batch({7, 8, 9}, true);
  std::vector<std::uint32_t> left_out;
  EXPECT_EQ(next->screen({*log, start, {}}, 0, 3, left_out), std::nullopt);
  EXPECT_EQ(left_out, std::vector<std::uint32_t>{1});
  auto second = next->release();
  ASSERT_TRUE(second && second->batch->size() == 1);
  EXPECT_EQ(second->batch->event(0).after.values[0].as_int64(), 8);
  second->done({});
  EXPECT_EQ(journal_.parked_count(), 0U);
}

// However many there are: a retry goes through them as the log had them.
TEST_F(DeskTest, LettersStandInTheOrderOfTheLog) {
  constexpr unsigned kMany = 150;
  for (unsigned key = kMany; key > 0; --key) {
    const BatchPtr made = batch({key}, true);
    journal_.keep(*made, made->event(0), {{key % 2 == 0, "js"}, "processor", "simulated", "", "", {0, 100 + key, 0}});
  }
  std::vector<std::uint64_t> places;
  for (const auto& brief : journal_.letters(Journal::Filter{})) places.push_back(brief->order.at);
  ASSERT_EQ(places.size(), kMany);
  EXPECT_TRUE(std::ranges::is_sorted(places));
  EXPECT_EQ(journal_.letters(Journal::Filter{.processor = "js"}).size(), kMany / 2);
  const auto first = journal_.letters(Journal::Filter{}).front();
  ASSERT_TRUE(journal_.read(first->seq));
  EXPECT_EQ(journal_.read(first->seq)->event_id, first->event_id);
  EXPECT_FALSE(journal_.read(first->seq + 1));
}

// A PATCH tries a pipeline out that has a journal of its own; the old one goes on when that is refused.
TEST_F(DeskTest, ARunKnowsWhatAnotherJournalOfThePipelineHasDone) {
  const Stage stage{false, "redis"};
  const auto keep = [&](Journal& journal, unsigned key) {
    const BatchPtr made = batch({key}, true);
    journal.keep(*made, made->event(0), {stage, "routing", "simulated", "", "", {0, 100 + key, 0}});
  };
  keep(journal_, 1);
  Journal other(options(), "sim", store_, std::make_unique<testing::PlainEncoder>(), Clock::system());
  keep(other, 2);
  other.drop(1);
  journal_.begin();
  const Briefs known = journal_.letters(stage);
  ASSERT_EQ(known.size(), 1U);
  EXPECT_EQ(known[0]->order.at, 102U);
}

}  // namespace
}  // namespace deltaforge::pipeline
