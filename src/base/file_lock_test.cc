#include "base/file_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/fd.h"

namespace deltaforge {
namespace {

TEST(FlockHolder, IsTheProcessThatHoldsIt) {
  std::string path = testing::TempDir() + "file_lock_XXXXXX";
  Fd fd(::mkstemp(path.data()));
  ASSERT_TRUE(fd);
  EXPECT_EQ(flock_holder(path), std::nullopt);
  ASSERT_EQ(::flock(fd.get(), LOCK_EX), 0);
  EXPECT_EQ(flock_holder(path), std::to_string(::getpid()));
  ASSERT_EQ(::flock(fd.get(), LOCK_UN), 0);
  EXPECT_EQ(flock_holder(path), std::nullopt);
  ::unlink(path.c_str());
  EXPECT_EQ(flock_holder(path), std::nullopt);
}

TEST(FlockHolder, ReadsTheKernelsTable) {
  const auto lock = parse_flock("1: FLOCK  ADVISORY  WRITE 27963 fe:00:10579822 0 EOF");
  ASSERT_TRUE(lock);
  EXPECT_EQ(lock->pid, "27963");
  EXPECT_EQ(lock->device, "fe:00");
  EXPECT_EQ(lock->inode, "10579822");
  for (const char* other :
       {"", "1:", "2: POSIX  ADVISORY  WRITE 1 fe:00:7 0 EOF", "3: FLOCK  ADVISORY  READ 1 fe:00:7 0 EOF",
        "3: -> FLOCK  ADVISORY  WRITE 1 fe:00:7 0 EOF", "3: FLOCK  ADVISORY  WRITE 1 7"})
    EXPECT_FALSE(parse_flock(other)) << other;
}

}  // namespace
}  // namespace deltaforge
