#include "pipeline/start_positions.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "pipeline/commit_rule.h"
#include "pipeline/position_record.h"
#include "pipeline/state_keys.h"
#include "pipeline/testing/sim_store.h"
#include "pipeline/testing/sim_world.h"

namespace deltaforge::pipeline {
namespace {

using testing::end_of;
using testing::sim_position;

class StartPositionsTest : public ::testing::Test {
 protected:
  StartPositionsTest() { world_.faults = false; }
  void put(const char* ns, const std::string& sink, std::uint64_t end) {
    Store::Entry entry{ns, sink_key("pg", sink), codec_.print(sim_position(end))};
    if (std::string(ns) == kCheckpoints) {
      world_.sinks.clear();
      world_.sinks.push_back({.id = sink});
      world_.sinks.back().complete_to = end;
    }
    store_.put({&entry, 1});
  }

  testing::SimWorld world_{1};
  testing::SimStore store_{world_};
  testing::SimAlgebra algebra_;
  RecordCodec codec_{algebra_, "uid1", 1};
  StartPositions starts_{store_, codec_, algebra_, "pg"};
};

TEST_F(StartPositionsTest, FirstRunKnowsNothing) {
  auto positions = starts_.find({{"a", false, {}}, {"b", true, {}}});
  EXPECT_TRUE(positions[0].empty());
  EXPECT_TRUE(positions[1].empty());
}

TEST_F(StartPositionsTest, TheSinksOwnPositionWins) {
  put(kCheckpoints, "a", 50);
  EXPECT_EQ(end_of(starts_.find({{"a", true, sim_position(70)}})[0]), 70u);
  EXPECT_EQ(end_of(starts_.find({{"a", true, sim_position(30)}})[0]), 30u);
}

TEST_F(StartPositionsTest, AnAbsentPositionIsNeverZero) {
  put(kCheckpoints, "a", 50);
  try {
    starts_.find({{"a", true, {}}});
    FAIL() << "a lost sink position was not noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::sink_state);
    EXPECT_NE(error.hint().find("pg::sink::a"), std::string::npos);
  }
}

TEST_F(StartPositionsTest, ASinkThatNeverAcknowledgedStartsAtItsOrigin) {
  starts_.begin_at(sim_position(20), {"a", "b"});
  put(kCheckpoints, "b", 60);
  auto positions = starts_.find({{"a", false, {}}, {"b", false, {}}});
  EXPECT_EQ(end_of(positions[0]), 20u) << "not where the other one stands: its rows would be lost";
  EXPECT_EQ(end_of(positions[1]), 60u);
}

TEST_F(StartPositionsTest, ANewSinkJoinsTheSlowestOfTheOthersForGood) {
  put(kCheckpoints, "a", 50);
  EXPECT_EQ(end_of(starts_.find({{"a", false, {}}, {"new", false, {}}})[1]), 50u);
  put(kCheckpoints, "a", 90);
  EXPECT_EQ(end_of(starts_.find({{"a", false, {}}, {"new", false, {}}})[1]), 50u);
}

TEST_F(StartPositionsTest, ALostSinkIsNotAskedAndHoldsNobodyBack) {
  put(kCheckpoints, "a", 90);
  put(kCheckpoints, "gone", 10);
  const std::vector<StartPositions::SinkState> sinks{
      {"a", false, {}}, {"gone", true, {}, true}, {"new", false, {}}, {"never", true, {}, true}};
  const auto positions = starts_.find(sinks);
  EXPECT_EQ(end_of(positions[1]), 10u);
  EXPECT_EQ(end_of(positions[2]), 90u) << "the slowest of those that are not lost";
  EXPECT_TRUE(positions[3].empty());
  EXPECT_EQ(end_of(starts_.meet(sinks, positions)), 90u);
}

TEST_F(StartPositionsTest, ResetForgetsOneSinkOrAll) {
  starts_.begin_at(sim_position(20), {"a", "b"});
  apply_reset(store_, "pg::sink::a");
  EXPECT_EQ(end_of(starts_.find({{"b", false, {}}})[0]), 20u);
  EXPECT_FALSE(store_.get(kOrigins, "pg::sink::a").has_value());
  apply_reset(store_, "pg");
  EXPECT_TRUE(starts_.find({{"b", false, {}}})[0].empty());
}

TEST_F(StartPositionsTest, RecordsOfOthersAreRefused) {
  RecordCodec foreign(algebra_, "uid2", 1), later(algebra_, "uid1", 2);
  for (const std::string& record :
       {foreign.print(sim_position(5)), later.print(sim_position(5)), std::string(R"({"v":2,"uid":"uid1","epoch":1})"),
        std::string("garbage"), std::string("{}"), std::string()})
    EXPECT_THROW(codec_.parse(record, "a test"), Error) << record;
  EXPECT_EQ(end_of(codec_.parse(codec_.print(sim_position(5)), "a test")), 5u);
}

TEST(CommitRule, SaysWhichSinksMayBeMissing) {
  CommitRule all({CommitMode::all, 0}, {true, false});
  EXPECT_FALSE(all.may_detach(1, {true, true}));
  CommitRule required({CommitMode::required, 0}, {true, false, false});
  EXPECT_FALSE(required.may_detach(0, {true, true, true}));
  EXPECT_TRUE(required.may_detach(1, {true, true, true}));
  CommitRule quorum({CommitMode::quorum, 2}, {true, true, true});
  EXPECT_TRUE(quorum.may_detach(0, {true, true, true}));
  EXPECT_FALSE(quorum.may_detach(0, {true, true, false}));
  CommitRule optional({CommitMode::required, 0}, {false});
  EXPECT_FALSE(optional.may_detach(0, {true})) << "the last sink stays";
}

}  // namespace
}  // namespace deltaforge::pipeline
