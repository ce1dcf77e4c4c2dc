#include "pipeline/recut.h"

#include <gtest/gtest.h>

namespace deltaforge::pipeline {
namespace {

using namespace std::chrono_literals;

Hash128 transaction(unsigned number) {
  Hash128 hash{};
  hash[0] = std::byte{static_cast<unsigned char>(number)};
  return hash;
}

Stretch stretch(unsigned first, unsigned last) { return {transaction(first), transaction(last), last - first + 1}; }

class RecutTest : public ::testing::Test {
 protected:
  void begin(std::vector<Stretch> stretches) { recut_.begin(stretches, "shop"); }
  // Those after which a batch ends.
  std::vector<unsigned> ends(unsigned first, unsigned last) {
    std::vector<unsigned> found;
    for (unsigned each = first; each <= last; ++each)
      if (recut_.passed(transaction(each))) found.push_back(each);
    return found;
  }
  using Numbers = std::vector<unsigned>;
  Recut recut_;
  const SteadyTime now_{1h};
};

TEST_F(RecutTest, NothingWasSent) {
  EXPECT_EQ(ends(1, 100), Numbers{});
  EXPECT_FALSE(recut_.is_open());
}

TEST_F(RecutTest, EndsWhereItEndedAndNowhereBetween) {
  begin({stretch(3, 7), stretch(8, 8), stretch(9, 20)});
  EXPECT_EQ(ends(1, 2), Numbers{});
  EXPECT_FALSE(recut_.is_open());
  EXPECT_EQ(ends(3, 6), Numbers{});
  EXPECT_TRUE(recut_.is_open());
  EXPECT_EQ(ends(7, 30), (Numbers{7, 8, 20}));
  EXPECT_FALSE(recut_.is_open());
}

TEST_F(RecutTest, StretchesOfTwoSinksAreOfTheSameBatches) {
  begin({stretch(1, 10), stretch(11, 20)});
  begin({stretch(6, 10), stretch(11, 20)});  // this one was ahead
  EXPECT_EQ(ends(1, 30), (Numbers{10, 20}));
}

TEST_F(RecutTest, WhatIsBehindTheCheckpointIsNotMet) {
  begin({stretch(1, 10), stretch(11, 20)});
  EXPECT_EQ(ends(11, 30), (Numbers{20}));
}

TEST_F(RecutTest, ALastOneThatIsGoneIsGivenUp) {
  begin({{transaction(1), transaction(99), 5}, stretch(10, 12)});
  EXPECT_EQ(ends(1, 4), Numbers{});
  EXPECT_TRUE(recut_.is_open());
  EXPECT_EQ(ends(5, 5), Numbers{});
  EXPECT_FALSE(recut_.is_open()) << "there were five";
  EXPECT_EQ(ends(6, 20), (Numbers{12})) << "the next one is as good as before";
}

TEST_F(RecutTest, PatienceRunsOutOnlyWhileTheStreamIsEmpty) {
  begin({stretch(1, 5)});
  recut_.is_drained(true, now_);
  EXPECT_EQ(recut_.gives_up_at(), SteadyTime::max()) << "nothing is open";
  ends(1, 2);
  recut_.is_drained(true, now_);
  recut_.is_drained(true, now_ + 3s);
  EXPECT_EQ(recut_.gives_up_at(), now_ + Recut::kPatience);
  recut_.is_drained(false, now_ + 4s);  // the link was lost
  EXPECT_EQ(recut_.gives_up_at(), SteadyTime::max());
  recut_.is_drained(true, now_ + 60s);
  EXPECT_EQ(recut_.gives_up_at(), now_ + 60s + Recut::kPatience);
  ends(3, 3);
  EXPECT_EQ(recut_.gives_up_at(), SteadyTime::max());
  recut_.give_up();
  EXPECT_FALSE(recut_.is_open());
}

}  // namespace
}  // namespace deltaforge::pipeline
