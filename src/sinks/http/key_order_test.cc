// Who waits for whom.
#include "sinks/http/key_order.h"

#include <deque>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deltaforge::sinks::http {
namespace {

std::vector<std::uint32_t> leave(KeyOrder& order, std::uint32_t who) {
  std::vector<std::uint32_t> first;
  order.leave(who, [&](std::uint32_t next) { first.push_back(next); });
  return first;
}

TEST(HttpKeyOrder, OneAfterTheOther) {
  KeyOrder order;
  EXPECT_FALSE(order.enter(7, 0));
  EXPECT_FALSE(order.enter(7 + 4096, 1)) << "another key of the same bucket";
  EXPECT_TRUE(order.enter(7, 2));
  EXPECT_TRUE(order.enter(7, 3));
  EXPECT_EQ(order.last(7), 3u);
  EXPECT_EQ(order.last(7 + 4096), 1u);
  EXPECT_EQ(order.last(8), KeyOrder::kNobody);
  EXPECT_THAT(leave(order, 1), ::testing::IsEmpty());
  EXPECT_THAT(leave(order, 0), ::testing::ElementsAre(2u));
  EXPECT_THAT(leave(order, 2), ::testing::ElementsAre(3u));
  EXPECT_THAT(leave(order, 3), ::testing::IsEmpty());
  EXPECT_EQ(order.last(7), KeyOrder::kNobody);
}

TEST(HttpKeyOrder, SeveralKeys) {
  KeyOrder order;
  EXPECT_FALSE(order.enter(1, 0));
  EXPECT_FALSE(order.enter(2, 0));
  EXPECT_TRUE(order.enter(1, 1));
  EXPECT_TRUE(order.enter(2, 2));
  EXPECT_TRUE(order.enter(1, 2));
  EXPECT_THAT(leave(order, 0), ::testing::UnorderedElementsAre(1u, 2u)) << "2 waits for 1 still";
  EXPECT_THAT(leave(order, 1), ::testing::ElementsAre(2u));
}

// Against queues of the plainest kind.
TEST(HttpKeyOrder, AtRandom) {
  std::mt19937 random(5);
  KeyOrder order;
  std::map<std::uint64_t, std::deque<std::uint32_t>> queues;
  std::vector<std::vector<std::uint64_t>> keys(200);
  std::vector<int> waits(200);
  std::set<std::uint32_t> runs, idle;
  for (std::uint32_t i = 0; i < 200; ++i) idle.insert(i);
  for (int step = 0; step < 20'000; ++step) {
    if (!idle.empty() && (runs.empty() || random() % 2 == 0)) {
      const std::uint32_t who = *idle.begin();
      idle.erase(idle.begin());
      keys[who].clear();
      waits[who] = 0;
      for (std::size_t i = 0, count = 1 + random() % 3; i < count; ++i) {
        const std::uint64_t key = random() % 5 * 4096 + random() % 20;  // many share a bucket
        if (order.last(key) == who) continue;
        queues[key].push_back(who);
        keys[who].push_back(key);
        const bool waiting = order.enter(key, who);
        ASSERT_EQ(waiting, queues[key].size() > 1);
        waits[who] += waiting;
      }
      if (waits[who] == 0) runs.insert(who);
      continue;
    }
    const auto at = std::next(runs.begin(), static_cast<long>(random() % runs.size()));
    const std::uint32_t who = *at;
    runs.erase(at);
    std::multiset<std::uint32_t> expected;
    for (const std::uint64_t key : keys[who]) {
      ASSERT_EQ(queues[key].front(), who);
      queues[key].pop_front();
      if (!queues[key].empty()) expected.insert(queues[key].front());
    }
    const auto first = leave(order, who);
    ASSERT_EQ(std::multiset<std::uint32_t>(first.begin(), first.end()), expected);
    for (const std::uint32_t next : first)
      if (--waits[next] == 0) runs.insert(next);
    idle.insert(who);
  }
}

}  // namespace
}  // namespace deltaforge::sinks::http
