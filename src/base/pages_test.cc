#include "base/pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

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

class Spill : public ::testing::Test {
 protected:
  Spill() { EXPECT_NE(::mkdtemp(directory_.data()), nullptr); }
  ~Spill() override { std::filesystem::remove_all(directory_); }

  // Of this process, in the directory.
  std::size_t open_files() const {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      count += std::filesystem::read_symlink(each, gone).string().starts_with(directory_) ? 1 : 0;
    }
    return count;
  }

  std::string directory_ = std::filesystem::temp_directory_path() / "df-spill-XXXXXX";
};

TEST_F(Spill, WhatIsBeyondTheBudgetLiesOnDiskAndIsTheSameAsInMemory) {
  PageBudget budget(kMiB, directory_);
  Pages pages(budget);
  std::vector<std::string_view> copies;
  for (int i = 0; i < 6'000; ++i) copies.push_back(pages.copy(std::string(10'000, static_cast<char>('a' + i % 26))));
  EXPECT_GT(budget.on_disk(), 40 * kMiB);
  EXPECT_LE(budget.used() - budget.on_disk(), kMiB + PageBudget::kSlack);
  EXPECT_TRUE(std::filesystem::is_empty(directory_)) << "the file has no name";
  EXPECT_EQ(open_files(), 1u);
  for (std::size_t i = 0; i < copies.size(); ++i) {
    ASSERT_EQ(copies[i].find_first_not_of(static_cast<char>('a' + i % 26)), std::string_view::npos) << i;
    if (i % 100 == 0) pages.passed(copies[i].data());
  }
  EXPECT_EQ(copies[0].front(), 'a') << "and again, after readers have passed";
  EXPECT_EQ(copies[3'000].front(), static_cast<char>('a' + 3'000 % 26));
  pages.clear();
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(budget.on_disk(), 0u);
  EXPECT_EQ(open_files(), 0u) << "its disk is free again";
}

TEST_F(Spill, AValueLargerThanAnExtentIsOnePiece) {
  PageBudget budget(kMiB, directory_);
  Pages pages(budget);
  std::string large(50 * kMiB + 1, 'x');
  const std::string_view kept = pages.copy(large);
  std::vector<std::string_view> behind;
  for (int i = 0; i < 40; ++i) behind.push_back(pages.copy(std::string(kMiB, 'y')));
  EXPECT_EQ(kept, large);
  for (std::string_view each : behind) EXPECT_EQ(each.find_first_not_of('y'), std::string_view::npos);
  auto numbers = pages.array<std::uint64_t>(100'000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(numbers.data()) % alignof(std::uint64_t), 0u);
}

TEST_F(Spill, AMissingDirectoryIsAnErrorThatNamesIt) {
  PageBudget budget(kMiB, directory_ + "/gone");
  Pages pages(budget);
  pages.allocate(PageBudget::kSlack);
  try {
    pages.allocate(2 * kMiB);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::storage);
    EXPECT_NE(error.message().find(directory_), std::string::npos);
  }
  EXPECT_EQ(budget.used(), PageBudget::kSlack) << "what was not taken is not counted";
}

}  // namespace
}  // namespace deltaforge
