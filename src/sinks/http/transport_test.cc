// What becomes of requests when the system has no descriptors left.
#include "sinks/http/transport.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/few_descriptors_for_test.h"
#include "sinks/http/config.h"
#include "sinks/http/exchange.h"
#include "sinks/testing/fake_server.h"

namespace deltaforge::sinks::http {
namespace {

using deltaforge::testing::error_with_few_descriptors;
using deltaforge::testing::next_descriptor;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Of libcurl's sockets: the first of them that was made.
int lowest_epoll() {
  int lowest = -1;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(each.path(), gone) != "anon_inode:[eventpoll]") continue;
    const int fd = std::stoi(each.path().filename());
    lowest = lowest < 0 ? fd : std::min(lowest, fd);
  }
  return lowest;
}

TEST(HttpTransport, WithoutDescriptorsItSaysSoAndKeepsNone) {
  const Exchange first{Config()};  // starts libcurl
  const int next = next_descriptor();
  int failures = 0;
  for (; failures < 20; ++failures) {
    const auto error = error_with_few_descriptors(failures, [] { const Transport transport([] {}, 8); });
    if (!error) break;
    EXPECT_EQ(error->kind(), ErrorKind::unavailable);
    EXPECT_THAT(error->what(), AllOf(HasSubstr("Too many open files"), HasSubstr("ulimit -n")));
    EXPECT_EQ(next_descriptor(), next) << failures;
  }
  EXPECT_EQ(failures, 4) << "two for epoll, a timer, and what stops the thread";
}

// libcurl is in the middle of its work then.
TEST(HttpTransport, ASocketThatCannotBeWaitedForEndsTheRun) {
  sinks::testing::FakeServer server;
  Exchange exchange{Config()};
  exchange.url = "http://127.0.0.1:" + std::to_string(server.port()) + "/";
  exchange.begin();
  Transport transport([] {}, 8);
  const int none = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(none, lowest_epoll());
  ::close(none);
  transport.start(exchange.handle());
  EXPECT_THROW(transport.run(), Error);
  transport.stop(exchange.handle());
}

}  // namespace
}  // namespace deltaforge::sinks::http
