// How deliveries are cut: what goes beside what, and what waits.
#include "sinks/http/cutter.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/testing/batch_builder.h"
#include "sinks/testing/config_check.h"

namespace deltaforge::sinks::http {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Events = std::vector<std::uint32_t>;

struct Component {
  using Config = http::Config;
};

class HttpCutter : public ::testing::Test {
 protected:
  void use(const std::string& url, const std::string& more = "") {
    ASSERT_THAT(testing::problems<Component>("id: h\nurl: \"" + url + "\"\n" + more, &config_), IsEmpty());
    SinkContext context;
    context.pipeline = "shop";
    writer_.emplace(config_, context);
    cutter_.emplace(config_.batch_mode, *writer_);
  }
  void give(Delivery delivery) {
    deliveries_.push_back(std::move(delivery));
    parcels_.emplace_back(deliveries_.back(), Receipt(book_, 1, BatchSeq{1}), parcels_.size());
  }
  // Cuts what can be cut. Those that may go, by their events.
  std::vector<Events> cut() {
    while (cutter_->cut(parcels_, ready_)) {
    }
    return take();
  }
  std::vector<Events> take() {
    std::vector<Events> found;
    for (Unit* unit : ready_) {
      found.push_back(unit->events);
      running_.push_back(unit);
    }
    ready_.clear();
    return found;
  }
  std::vector<Events> finish(std::size_t nth) {
    cutter_->finish(*running_.at(nth), ready_);
    return take();
  }
  struct NoBook final : ReceiptBook {
    void complete(std::uint64_t, BatchSeq, Outcome&&) noexcept override {}
  } book_;
  testing::BatchBuilder batches_;
  Config config_;
  std::optional<RequestWriter> writer_;
  std::optional<Cutter> cutter_;
  std::deque<Delivery> deliveries_;
  std::deque<Parcel> parcels_;
  std::vector<Unit*> ready_, running_;
};

TEST_F(HttpCutter, OneKeyWaitsOthersDoNot) {
  use("https://h/");
  batches_.insert(1);
  batches_.insert(2);
  batches_.update(1, "a", "b");
  batches_.remove(1);
  give(batches_.build());
  EXPECT_THAT(cut(), ElementsAre(Events{0}, Events{1}));
  EXPECT_THAT(finish(1), IsEmpty());
  EXPECT_THAT(finish(0), ElementsAre(Events{2}));
  EXPECT_THAT(finish(2), ElementsAre(Events{3}));
  EXPECT_THAT(finish(3), IsEmpty());
  cutter_->for_each_live([](const Unit&) { ADD_FAILURE(); });
  EXPECT_EQ(parcels_[0].open, 0u);
}

TEST_F(HttpCutter, ARowWhoseKeyChangesWaitsForBoth) {
  use("https://h/");
  batches_.insert(1);
  Event& change = batches_.update(2, "a", "b");
  change.before = batches_.insert(1).after;  // key 1 became key 2
  batches_.remove(1);
  give(batches_.build());
  EXPECT_THAT(cut(), ElementsAre(Events{0}));
  EXPECT_THAT(finish(0), ElementsAre(Events{1}));
  EXPECT_THAT(finish(1), ElementsAre(Events{2}));
}

TEST_F(HttpCutter, NothingPassesATruncate) {
  use("https://h/");
  batches_.insert(1);
  batches_.insert(2);
  batches_.truncate();
  batches_.insert(3);
  give(batches_.build());
  EXPECT_THAT(cut(), ElementsAre(Events{0}, Events{1}));
  finish(0);
  EXPECT_THAT(cut(), IsEmpty());
  finish(1);
  EXPECT_THAT(cut(), ElementsAre(Events{2}));
  EXPECT_THAT(cut(), IsEmpty());
  finish(2);
  EXPECT_THAT(cut(), ElementsAre(Events{3}));
}

TEST_F(HttpCutter, SoFarAheadAndNoFurther) {
  use("https://h/");
  for (std::int64_t id = 0; id < 3000; ++id) batches_.insert(id);
  give(batches_.build());
  EXPECT_EQ(cut().size(), Cutter::kAhead);
  finish(0);
  EXPECT_THAT(cut(), ElementsAre(Events{1024}));
}

TEST_F(HttpCutter, ArraysOfAThousandOneAfterTheOther) {
  use("https://h/", "batch_mode: true\n");
  for (std::int64_t id = 0; id < 2500; ++id) batches_.insert(id);
  give(batches_.build());
  const auto first = cut();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].size(), 1000u);
  EXPECT_EQ(first[0].back(), 999u);
  const auto second = finish(0);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].front(), 1000u);
  EXPECT_EQ(finish(1).at(0).size(), 500u);
}

TEST_F(HttpCutter, ArraysForTwoUrlsGoBesideEachOther) {
  use("https://h/${op}", "batch_mode: true\n");
  batches_.insert(1);
  batches_.remove(2);
  batches_.insert(3);
  batches_.remove(4);
  give(batches_.build());
  EXPECT_THAT(cut(), ElementsAre(Events{0, 2}, Events{1, 3}));
}

// create 1, delete 1, create 1: the second create must not join the first.
TEST_F(HttpCutter, ArraysThatShareAKeyGoInTurn) {
  use("https://h/${op}", "batch_mode: true\n");
  batches_.insert(1);
  batches_.insert(5);
  batches_.remove(1);
  batches_.insert(1);
  batches_.insert(6);
  give(batches_.build());
  EXPECT_THAT(cut(), ElementsAre(Events{0, 1}));
  EXPECT_THAT(finish(0), ElementsAre(Events{2}));
  EXPECT_THAT(finish(1), ElementsAre(Events{3, 4}));
}

TEST_F(HttpCutter, AKeyMayStandInAnArrayTwice) {
  use("https://h/", "batch_mode: true\n");
  batches_.insert(1);
  batches_.update(1, "a", "b");
  batches_.insert(2);
  batches_.update(1, "b", "c");
  give(batches_.build());
  EXPECT_THAT(cut(), ElementsAre(Events{0, 1, 2, 3}));
}

// Of two arrays that share a key, the first is stopped by a refused event behind that key.
TEST_F(HttpCutter, NobodyWaitsForWhatSteppedAside) {
  use("https://h/${op}", "batch_mode: true\n");
  batches_.insert(1);
  batches_.remove(1);
  batches_.insert(2);
  give(batches_.build());
  EXPECT_THAT(cut(), ElementsAre(Events{0, 2}));
  cutter_->step_aside(*running_[0], ready_);
  EXPECT_THAT(take(), ElementsAre(Events{1}));
}

TEST_F(HttpCutter, AnArrayHasEventsOfOneDelivery) {
  use("https://h/", "batch_mode: true\n");
  batches_.insert(1);
  give(batches_.build());
  batches_.insert(2);
  give(batches_.build());
  EXPECT_THAT(cut(), ElementsAre(Events{0}));
  EXPECT_THAT(finish(0), ElementsAre(Events{0}));
}

TEST_F(HttpCutter, ArraysAreCutAtATruncate) {
  use("https://h/", "batch_mode: true\n");
  batches_.insert(1);
  batches_.truncate();
  batches_.insert(2);
  give(batches_.build());
  EXPECT_THAT(cut(), ElementsAre(Events{0}));
  finish(0);
  EXPECT_THAT(cut(), ElementsAre(Events{1}));
  finish(1);
  EXPECT_THAT(cut(), ElementsAre(Events{2}));
}

TEST_F(HttpCutter, EventsWithOtherHeadersAreInOtherArrays) {
  use("https://h/", "batch_mode: true\n");
  const std::vector<Header> headers{{"x-tier", "gold"}, {"df-event-id", "differs-each-time"}};
  Extra extra;
  extra.headers = headers;
  batches_.insert(1);
  batches_.insert(2).extra = &extra;
  batches_.insert(3);
  batches_.insert(4).extra = &extra;
  give(batches_.build());
  EXPECT_THAT(cut(), ElementsAre(Events{0})) << "the same URL: in turn, in the order of all events";
  EXPECT_THAT(finish(0), ElementsAre(Events{1}));
  EXPECT_THAT(finish(1), ElementsAre(Events{2}));
  EXPECT_THAT(finish(2), ElementsAre(Events{3}));
}

}  // namespace
}  // namespace deltaforge::sinks::http
