// The contract of every sink, as tests. One test file of a sink includes this header, describes the sink by a Subject
// and says
//
//   INSTANTIATE_TEST_SUITE_P(File, SinkContract, ::testing::Values(subject_of<FileSubject>()));
//
// Sinks that talk to a server include server_contract.h too.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sinks/testing/batch_builder.h"
#include "sinks/testing/lane.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::testing {

class SinkContract : public ::testing::TestWithParam<SubjectMaker> {
 protected:
  // The only sink of the far side until close(). Opened.
  Sink& open() {
    close();
    sink_ = subject_->make(lane_.context());
    held_ = sink_->open();
    return *sink_;
  }
  void close() { sink_.reset(); }

  std::unique_ptr<Subject> subject_ = GetParam()();
  BatchBuilder batches_;
  Lane lane_;
  std::optional<Position> held_;  // what open() said
  std::unique_ptr<Sink> sink_;
};

TEST_P(SinkContract, OpensAndClosesOnAnEmptyFarSide) {
  open();
  EXPECT_TRUE(!held_ || held_->empty());
  open();
  EXPECT_TRUE(!held_ || held_->empty());
  close();
  if (subject_->readable()) {
    EXPECT_TRUE(subject_->read().empty());
  }
}

TEST_P(SinkContract, DeliversInOrder) {
  Sink& sink = open();
  std::vector<Delivery> deliveries;
  for (std::int64_t i = 0; i < 12; ++i) deliveries.push_back(batches_.rows(i * 50, 50));
  for (const Delivery& delivery : deliveries) {
    if (lane_.sent() - lane_.answers().size() >= sink.window()) {
      ASSERT_TRUE(lane_.drain(sink));
    }
    lane_.send(sink, delivery);
  }
  ASSERT_TRUE(lane_.drain(sink));
  for (const Answer& answer : lane_.answers()) EXPECT_TRUE(answer.delivered());
  EXPECT_GT(lane_.bytes(), 0u);
  if (subject_->readable()) {
    EXPECT_EQ(row_ids(subject_->read()), sequence(0, 600));
  }
}

TEST_P(SinkContract, SkipsDroppedEventsAndOtherRanges) {
  Sink& sink = open();
  for (std::int64_t id = 0; id < 10; ++id) batches_.insert(id).dropped = id == 3;
  Delivery delivery = batches_.build();
  delivery.ranges = {{1, 5}, {8, 10}};
  ASSERT_TRUE(lane_.deliver(sink, delivery).delivered());
  if (subject_->readable()) {
    EXPECT_EQ(row_ids(subject_->read()), (std::vector<std::int64_t>{1, 2, 4, 8, 9}));
  }
}

// The lane gives every sink its `filter`; the sink only has to walk over a delivery by what it wants.
TEST_P(SinkContract, SkipsWhatItsFilterKeepsOut) {
  Sink& sink = open();
  Extra copied, marked;
  copied.synthetic = "copies";
  marked.synthetic = "marks";
  for (std::int64_t id = 0; id < 9; ++id) {
    Event& event = batches_.insert(id);
    if (id % 3 > 0) event.extra = id % 3 == 1 ? &copied : &marked;
  }
  config::SinkFilter from_source, from_marks;
  from_source.exclude_synthetic = true;
  from_marks.producers = {"marks"};
  Delivery delivery = batches_.build();
  delivery.filter = &from_source;
  ASSERT_TRUE(lane_.deliver(sink, delivery).delivered());
  if (!subject_->readable()) return;
  EXPECT_EQ(row_ids(subject_->read()), (std::vector<std::int64_t>{0, 3, 6}));
  EXPECT_FALSE(from_marks.passes("") || from_marks.passes("copies") || !from_marks.passes("marks"));
}

// More than one slab, and rows that are larger than one.
TEST_P(SinkContract, DeliversALargeBatch) {
  Sink& sink = open();
  for (std::int64_t id = 0; id < 20; ++id) batches_.insert(id, std::string(700'000, 'x'));
  batches_.insert(20, std::string(5 * 1024 * 1024, 'y'));
  Delivery delivery = batches_.build();
  ASSERT_TRUE(lane_.deliver(sink, delivery).delivered());
  if (subject_->readable()) {
    EXPECT_EQ(row_ids(subject_->read()), sequence(0, 21));
  }
}

TEST_P(SinkContract, ABatchSentTwiceHasTheSameBytes) {
  Delivery delivery = batches_.rows(0, 20);
  ASSERT_TRUE(lane_.deliver(open(), delivery).delivered());
  ASSERT_TRUE(lane_.deliver(open(), delivery).delivered());
  if (!subject_->readable()) return;
  std::vector<std::string> payloads = subject_->read();
  std::set<std::string> ids, distinct(payloads.begin(), payloads.end());
  for (const std::string& payload : payloads) ids.insert(member(payload, "event_id"));
  EXPECT_EQ(ids.size(), 20u);
  EXPECT_EQ(distinct.size(), 20u);
}

TEST_P(SinkContract, EveryReceiptIsCompletedWhenTheSinkGoes) {
  Sink& sink = open();
  std::vector<Delivery> deliveries;
  for (std::size_t i = 0; i < sink.window() && i < 4; ++i)
    deliveries.push_back(batches_.rows(static_cast<std::int64_t>(i) * 10, 10));
  for (const Delivery& delivery : deliveries) lane_.send(sink, delivery);
  close();
  EXPECT_EQ(lane_.answers().size(), deliveries.size());
}

TEST_P(SinkContract, AnEmptyDeliveryIsDelivered) {
  Sink& sink = open();
  Delivery idle = batches_.commit().build();
  ASSERT_TRUE(lane_.deliver(sink, idle).delivered());
  batches_.insert(1).dropped = true;
  Delivery all_dropped = batches_.build();
  ASSERT_TRUE(lane_.deliver(sink, all_dropped).delivered());
  ASSERT_TRUE(lane_.deliver(sink, batches_.rows(5, 1)).delivered());
  if (subject_->readable()) {
    EXPECT_EQ(row_ids(subject_->read()), sequence(5, 1));
  }
}

// Nothing passes a row that is refused, neither of its batch nor of a later one. A sink that holds positions must not
// commit past it either.
TEST_P(SinkContract, APoisonRowBlocksWhatFollows) {
  Sink& sink = open();
  bool holds = sink.holds_position();
  batches_.insert(1);
  batches_.insert_poison(2);
  batches_.insert(3);
  Delivery delivery = batches_.build();
  Delivery later = batches_.rows(4, 1);
  lane_.send(sink, delivery);
  if (sink.window() > 1 && !holds) lane_.send(sink, later);
  lane_.drain(sink, std::chrono::seconds(holds || sink.window() == 1 ? 20 : 3));
  ASSERT_EQ(lane_.answers().size(), 1u);
  Answer answer = lane_.answers().front();
  EXPECT_EQ(answer.seq, delivery.batch->seq);
  ASSERT_FALSE(answer.outcome.fault);
  ASSERT_TRUE(answer.outcome.refused);
  EXPECT_EQ(answer.outcome.undone, holds);
  if (holds) {
    open();
    EXPECT_TRUE(!held_ || held_->empty());
    EXPECT_TRUE(subject_->read().empty());
    return;
  }
  EXPECT_EQ(answer.outcome.refused->event, 1u);
  EXPECT_EQ(answer.outcome.refused->kind, "serialization");
  EXPECT_NE(answer.outcome.refused->reason.find("note"), std::string::npos) << answer.outcome.refused->reason;
  if (subject_->readable()) {
    EXPECT_EQ(row_ids(subject_->read()), (std::vector<std::int64_t>{1}));
  }
  close();
  if (subject_->readable()) {
    EXPECT_EQ(row_ids(subject_->read()), (std::vector<std::int64_t>{1}));
  }
}

// Where somebody takes such a row over, the sink passes it.
TEST_P(SinkContract, APoisonRowThatIsTakenOverIsPassed) {
  struct Desk final : RejectDesk {
    bool set_aside(const Delivery& of, const Reject& reject) override {
      rejects.emplace_back(of.batch->seq, reject);
      return true;
    }
    std::vector<std::pair<BatchSeq, Reject>> rejects;
  } desk;
  Sink& sink = open();
  for (std::int64_t id = 1; id <= 5; ++id) {
    if (id % 2 == 0)
      batches_.insert_poison(id);
    else
      batches_.insert(id);
  }
  Delivery delivery = batches_.build();
  delivery.desk = &desk;
  ASSERT_TRUE(lane_.deliver(sink, delivery).delivered());
  batches_.insert_poison(6);
  Delivery last = batches_.build();
  last.desk = &desk;
  ASSERT_TRUE(lane_.deliver(sink, last).delivered());
  ASSERT_EQ(desk.rejects.size(), 3u);
  EXPECT_EQ(desk.rejects[0].first, delivery.batch->seq);
  EXPECT_EQ(desk.rejects[0].second.event, 1u);
  EXPECT_EQ(desk.rejects[1].second.event, 3u);
  EXPECT_EQ(desk.rejects[2].first, last.batch->seq);
  EXPECT_EQ(desk.rejects[2].second.kind, "serialization");
  if (subject_->readable()) {
    EXPECT_EQ(row_ids(subject_->read()), (std::vector<std::int64_t>{1, 3, 5}));
  }
}

TEST_P(SinkContract, AHeldPositionIsThatOfTheLastDelivery) {
  bool holds = open().holds_position();
  for (std::int64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(i * 10, 4)).delivered());
    open();
    EXPECT_EQ(held_ ? number(*held_) : 0, holds ? static_cast<std::uint64_t>(i) * 5 - 1 : 0);
    ASSERT_TRUE(lane_.deliver(*sink_, batches_.commit().build()).delivered());
    open();
    EXPECT_EQ(held_ ? number(*held_) : 0, holds ? static_cast<std::uint64_t>(i) * 5 : 0);
  }
}

}  // namespace deltaforge::sinks::testing
