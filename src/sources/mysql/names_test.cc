#include "sources/mysql/names.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace deltaforge::sources::mysql {
namespace {

TEST(NameTable, TheSameNameHasTheSameNumber) {
  NameTable names;
  const auto first = names.intern("binlog.000001");
  const auto second = names.intern("binlog.000002");
  EXPECT_NE(first, second);
  EXPECT_EQ(names.intern("binlog.000001"), first);
  EXPECT_EQ(names.name(first), "binlog.000001");
  EXPECT_EQ(names.name(second), "binlog.000002");
}

TEST(NameTable, HoldsAnyBytes) {
  NameTable names;
  const std::string zeros(16, '\0');
  const auto empty = names.intern(""), binary = names.intern(zeros), longer = names.intern(zeros + "x");
  EXPECT_EQ(names.name(empty), "");
  EXPECT_EQ(names.name(binary), zeros);
  EXPECT_EQ(names.name(longer), zeros + "x");
}

TEST(NameTable, NothingMovesWhileItGrows) {
  NameTable names;
  std::vector<std::string_view> views;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    ASSERT_EQ(names.intern("n" + std::to_string(i)), i);
    views.push_back(names.name(i));
  }
  for (std::uint32_t i = 0; i < 5000; ++i) {
    ASSERT_EQ(views[i], "n" + std::to_string(i));
    ASSERT_EQ(views[i].data(), names.name(i).data());
    ASSERT_EQ(names.intern("n" + std::to_string(i)), i);
  }
}

TEST(NameTable, ThreadsAgree) {
  NameTable names;
  std::vector<std::vector<std::uint32_t>> numbers(4);
  std::vector<std::thread> threads;
  for (auto& mine : numbers)
    threads.emplace_back([&names, &mine] {
      for (int i = 0; i < 1000; ++i) {
        const std::string name = "file." + std::to_string(i);
        mine.push_back(names.intern(name));
        EXPECT_EQ(names.name(mine.back()), name);
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : numbers) EXPECT_EQ(mine, numbers[0]);
}

}  // namespace
}  // namespace deltaforge::sources::mysql
