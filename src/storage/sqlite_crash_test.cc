// kill -9 at random instants. This program starts itself as a child that writes rising numbers through every
// primitive and reports each one that returned; whatever was reported must be there after the kill, and nothing torn.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "storage/sqlite_store.h"
#include "storage/testing/temporary_dir.h"

namespace deltaforge::storage::testing {
namespace {

constexpr int kWriters = 3;

struct Report {
  std::uint32_t writer;
  std::uint32_t value;
};

std::uint32_t stored(Store& store, const std::string& key) {
  const auto value = store.get("ns", key);
  return value ? static_cast<std::uint32_t>(std::stoul(*value)) : 0;
}

// The first report of each writer is where it goes on from.
void write_forever(Store& store, std::uint32_t writer) {
  const std::string key = std::to_string(writer);
  const std::uint32_t start = stored(store, key);
  for (std::uint32_t value = start;; ++value) {
    if (value > start) {
      const std::string text = std::to_string(value);
      store.append("ns", key, text);
      store.push("ns", key, std::vector<Store::Pushed>{{"", text}});
      store.swap("ns", key, value - 1, text);
      store.put(std::vector<Store::Entry>{{"ns", key, text}, {"twin", key, text + std::string(3000, ' ')}});
    }
    const Report report{writer, value};
    if (::write(STDOUT_FILENO, &report, sizeof report) != sizeof report) return;
  }
}

int child(const std::string& path) {
  SqliteStore store(StateOptions{.path = path});
  std::vector<std::thread> writers;
  for (std::uint32_t i = 0; i < kWriters; ++i) writers.emplace_back([&store, i] { write_forever(store, i); });
  for (auto& writer : writers) writer.join();
  return 0;
}

class Child {
 public:
  explicit Child(const std::string& path) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reports_ = Fd(ends[0]);
    Fd write(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, write.get(), STDOUT_FILENO);
    std::string name = "storage_test", option = "--crash-writer", where = path;
    std::array<char*, 4> arguments{name.data(), option.data(), where.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  // Kills it a moment after so many reports; the last value that each writer has reported.
  std::map<std::uint32_t, std::uint32_t> kill_after(int reports, std::chrono::microseconds moment) {
    std::map<std::uint32_t, std::uint32_t> last;
    std::thread killer;
    Report report{};
    for (int count = 1; ::read(reports_.get(), &report, sizeof report) == sizeof report; ++count) {
      last[report.writer] = report.value;
      if (count == reports)
        killer = std::thread([this, moment] {
          std::this_thread::sleep_for(moment);
          ::kill(pid_, SIGKILL);
        });
    }
    if (killer.joinable()) killer.join();
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself, status " << status;
    return last;
  }

 private:
  pid_t pid_ = -1;
  Fd reports_;
};

void expect_all_there(Store& store, std::uint32_t writer, std::uint32_t reported) {
  const std::string key = std::to_string(writer);
  const std::uint32_t value = stored(store, key);
  EXPECT_GE(value, reported);
  EXPECT_LE(value, reported + 1);
  if (value > 0) {
    EXPECT_EQ(store.get("twin", key), std::to_string(value) + std::string(3000, ' '));
  }
  // The value after the last stored one may have reached the log, the queue and the slot, but not the kv: the next
  // child writes it again.
  const auto log = store.since("ns", key, 0);
  const auto queue = store.peek("ns", key, 10'000'000, 0);
  std::vector<std::string> logged, queued;
  for (const auto& entry : log)
    if (logged.empty() || logged.back() != entry.value) logged.push_back(entry.value);
  for (const auto& item : queue)
    if (queued.empty() || queued.back() != item.value) queued.push_back(item.value);
  for (const auto& values : {logged, queued}) {
    ASSERT_GE(values.size(), value);
    ASSERT_LE(values.size(), value + 1);
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], std::to_string(i + 1));
  }
  const auto slot = store.slot("ns", key);
  EXPECT_GE(slot ? slot->version : 0, value);
  if (slot) {
    EXPECT_EQ(slot->value, std::to_string(slot->version));
  }
}

TEST(SqliteCrash, WhatReturnedIsThereAfterAnyKill) {
  constexpr int kRounds = 30;
  TemporaryDir directory;
  const std::string path = directory.file("deltaforge.db");
  std::mt19937 random(std::random_device{}());
  std::uint32_t before = 0;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    Child child(path);
    const auto last = child.kill_after(std::uniform_int_distribution(1, 60)(random),
                                       std::chrono::microseconds(std::uniform_int_distribution(0, 5'000)(random)));
    SqliteStore store(StateOptions{.path = path, .require_state = true});
    std::uint32_t sum = 0;
    for (const auto& [writer, value] : last) {
      expect_all_there(store, writer, value);
      sum += value;
    }
    if (last.size() == kWriters) {
      EXPECT_GE(sum, before);
      before = sum;
    }
  }
  EXPECT_GT(before, 30U) << "the kills came too early to prove anything";
}

}  // namespace
}  // namespace deltaforge::storage::testing

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--crash-writer") return deltaforge::storage::testing::child(argv[2]);
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
