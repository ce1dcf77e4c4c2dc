// kill -9 at any moment leaves all of a batch and its position, or nothing. In memory: a kill does not lose what was
// written, so fsync would only make it slow.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "sinks/file/directory_for_test.h"
#include "sinks/file/file.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/lane.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::file {
namespace {

// Of the transactions 1, 2, 3.. every fifth has no row, the others have one row with the transaction's number as id.
bool has_row(std::uint64_t transaction) { return transaction % 5 != 0; }

// In the child: goes on where the directory stands, in batches of 1 to 4 rows and idle advances. Never returns.
[[noreturn]] void write_batches(const std::string& path, std::uint64_t rounds, std::uint64_t roll_bytes) {
  int status = 1;
  try {
    testing::Lane lane;
    FileSink::Config config{.path = path};
    config.roll_bytes.count = roll_bytes;
    FileSink sink(config, lane.context());
    std::optional<Position> at = sink.open();
    std::uint64_t next = at ? testing::number(*at) + 1 : 1;
    testing::BatchBuilder builder(next);
    for (std::uint64_t i = 0; i < rounds; ++i) {
      std::vector<Delivery> deliveries;
      while (deliveries.size() < sink.window() && deliveries.size() < 3) {
        const std::uint64_t first = next++;
        while (has_row(first) && has_row(next) && next - first <= i % 4) ++next;
        const auto rows = static_cast<std::int64_t>(next - first);
        deliveries.push_back(has_row(first) ? builder.rows(static_cast<std::int64_t>(first), rows)
                                            : builder.commit().build());
      }
      for (const Delivery& delivery : deliveries) lane.send(sink, delivery);
      if (!lane.drain(sink)) ::_exit(2);
    }
    status = 0;
  } catch (const Error&) {
  }
  ::_exit(status);
}

// Exactly the rows of the transactions that the position claims.
void check(const DirectoryForTest& directory) {
  std::vector<std::int64_t> expected;
  for (std::uint64_t n = 1; n <= directory.position(); ++n)
    if (has_row(n)) expected.push_back(static_cast<std::int64_t>(n));
  ASSERT_EQ(testing::row_ids(directory.lines()), expected);
}

int wait_for(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

// Every second kill waits until the child has committed something, so that it hits the writing, not the start.
void kill_at_random(std::uint64_t roll_bytes) {
  std::mt19937 random(42);
  for (int directories = 0; directories < 4; ++directories) {
    DirectoryForTest directory("/dev/shm");
    for (int kills = 0; kills < 4; ++kills) {
      const std::uint64_t before = directory.position();
      const pid_t child = ::fork();
      if (child == 0) write_batches(directory.path(), 100, roll_bytes);
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (kills % 2 == 0 && directory.position() == before && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 10'000));
      ::kill(child, SIGKILL);
      wait_for(child);
      ASSERT_NO_FATAL_FAILURE(check(directory));
      if (kills % 2 == 0) {
        ASSERT_GT(directory.position(), before);
      }
    }
  }
}

TEST(FileSinkKill, AtRandomMoments) { kill_at_random(0); }
TEST(FileSinkKill, AtRandomMomentsWithJoinedBatches) { kill_at_random(5'000); }

// Kills the child when its n-th system call has returned. False: it came to its end before.
bool killed_at(const std::string& path, int n) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    write_batches(path, 3, 0);
  }
  int status = wait_for(child);
  EXPECT_TRUE(WIFSTOPPED(status));
  for (int stop = 0; stop < 2 * n; ++stop) {
    EXPECT_EQ(::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr), 0);
    status = wait_for(child);
    if (WIFEXITED(status)) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
      return false;
    }
  }
  ::kill(child, SIGKILL);
  wait_for(child);
  return true;
}

TEST(FileSinkKill, AtEverySystemCall) {
  DirectoryForTest directory("/dev/shm");
  int n = 0;
  while (killed_at(directory.path(), n)) {
    ASSERT_NO_FATAL_FAILURE(check(directory)) << "system call " << n;
    ++n;
    ASSERT_LT(n, 5'000);
  }
  EXPECT_GT(n, 30) << "the test did not test";
  ASSERT_NO_FATAL_FAILURE(check(directory));
}

}  // namespace
}  // namespace deltaforge::sinks::file
