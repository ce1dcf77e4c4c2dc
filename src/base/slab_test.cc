#include "base/slab.h"

#include <gtest/gtest.h>

#include <string>

namespace deltaforge {
namespace {

TEST(Slab, GrowsForOneLargeEventAndShrinksAgain) {
  Slab slab;
  slab.append("abc");
  slab.append(std::string(3 * Slab::kSize, 'x'));
  EXPECT_TRUE(slab.full());
  EXPECT_EQ(slab.view(0, 4), "abcx");
  slab.clear();
  EXPECT_EQ(slab.size(), 0u);
  slab.append('y');
  EXPECT_EQ(slab.view(), "y");
}

TEST(Slab, TruncateDropsAFailedEvent) {
  Slab slab;
  slab.append("one");
  std::size_t before = slab.size();
  slab.append("half of anoth");
  slab.truncate(before);
  EXPECT_EQ(slab.view(), "one");
}

TEST(SlabPool, HandsOutEachSlabOnce) {
  SlabPool pool(2);
  Slab* a = pool.take();
  Slab* b = pool.take();
  EXPECT_NE(a, b);
  EXPECT_EQ(pool.take(), nullptr);
  a->append("data");
  pool.give_back(a);
  EXPECT_EQ(pool.available(), 1u);
  Slab* again = pool.take();
  EXPECT_EQ(again, a);
  EXPECT_EQ(again->size(), 0u);
  pool.give_back(again);
  pool.give_back(b);
}

}  // namespace
}  // namespace deltaforge
