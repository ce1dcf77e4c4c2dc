#include "server/deadlines.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/fd.h"

namespace deltaforge::server {
namespace {

using std::chrono::milliseconds;

struct Pair {
  Pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    ours = Fd(fds[0]);
    theirs = Fd(fds[1]);
  }
  // What the other end reads until the connection ends; "open" when that does not happen in time.
  std::string end(int patience_ms) const {
    std::string text;
    std::array<char, 64> buffer;
    for (;;) {
      pollfd readable{theirs.get(), POLLIN, 0};
      if (poll(&readable, 1, patience_ms) == 0) return text + "open";
      ssize_t got = read(theirs.get(), buffer.data(), buffer.size());
      if (got <= 0) return text;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
  Fd ours, theirs;
};

TEST(Deadlines, TheEarlierEndsFirstAndSaysItsLastWord) {
  Pair late, early;
  Deadlines deadlines;
  deadlines.set(late.ours.get(), std::chrono::hours(1));
  deadlines.set(early.ours.get(), milliseconds(20), "too slow");
  EXPECT_EQ(early.end(5000), "too slow");
  EXPECT_EQ(late.end(0), "open");
}

TEST(Deadlines, ANewOneTakesThePlaceOfTheOld) {
  Pair longer, cleared, shorter;
  Deadlines deadlines;
  deadlines.set(longer.ours.get(), milliseconds(50));
  deadlines.set(longer.ours.get(), std::chrono::hours(1));
  deadlines.set(cleared.ours.get(), milliseconds(50));
  deadlines.clear(cleared.ours.get());
  deadlines.set(shorter.ours.get(), std::chrono::hours(1), "not said");
  deadlines.set(shorter.ours.get(), milliseconds(100));
  EXPECT_EQ(shorter.end(5000), "");
  EXPECT_EQ(longer.end(0), "open");
  EXPECT_EQ(cleared.end(0), "open");
}

}  // namespace
}  // namespace deltaforge::server
