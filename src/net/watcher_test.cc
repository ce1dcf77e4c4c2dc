// What becomes of a watcher, or of anything that is watched, when the system has no descriptors left.
#include "net/watcher.h"

#include <sys/epoll.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/few_descriptors_for_test.h"
#include "net/epoll.h"

namespace deltaforge::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(NetWatcher, WithoutDescriptorsItSaysSoAndKeepsNone) {
  const int next = testing::next_descriptor();
  const auto make = [] { const Watcher watcher([] {}, "df-test"); };
  for (int more = 0; more < 2; ++more) {
    const auto error = testing::error_with_few_descriptors(more, make);
    ASSERT_TRUE(error) << more;
    EXPECT_EQ(error->kind(), ErrorKind::unavailable);
    EXPECT_THAT(error->what(), AllOf(HasSubstr("Too many open files"), HasSubstr("ulimit -n")));
    EXPECT_EQ(testing::next_descriptor(), next) << more;
  }
  EXPECT_FALSE(testing::error_with_few_descriptors(2, make));
}

TEST(NetEpoll, WhatCannotBeWaitedForIsAnError) {
  const Fd epoll = new_epoll();
  EXPECT_THROW(wake_for(epoll.get(), -1, EPOLLIN), Error);
}

}  // namespace
}  // namespace deltaforge::net
