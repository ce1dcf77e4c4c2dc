#include "base/pages.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace deltaforge {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

TEST(Pages, TakesPagesFromTheBudgetAndGivesThemBack) {
  PageBudget budget(4 * kMiB);
  Pages pages(budget);
  EXPECT_EQ(pages.copy("hello"), "hello");
  EXPECT_EQ(budget.used(), PageBudget::kPageSize);
  EXPECT_EQ(pages.used(), 5u);
  pages.allocate(kMiB);
  EXPECT_EQ(budget.used(), PageBudget::kPageSize + kMiB);
  EXPECT_EQ(pages.copy("still in the first page").size(), 23u);
  EXPECT_EQ(pages.bytes(), budget.used());
  pages.clear();
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(pages.used(), 0u);
}

TEST(Pages, ReusesWhatWasGivenBack) {
  PageBudget budget(kMiB);
  Pages pages(budget);
  std::byte* first = pages.allocate(10);
  pages.clear();
  EXPECT_EQ(pages.allocate(10), first);
}

TEST(Pages, AlignsArrays) {
  PageBudget budget(kMiB);
  Pages pages(budget);
  pages.copy("x");
  auto numbers = pages.array<std::uint64_t>(3);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(numbers.data()) % alignof(std::uint64_t), 0u);
}

}  // namespace
}  // namespace deltaforge
