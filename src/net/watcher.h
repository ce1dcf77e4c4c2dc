// Wakes the lane when the socket has something for it: a thread that waits, and touches nothing. One per sink.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "base/fd.h"

namespace deltaforge::net {

class Watcher {
 public:
  // `wake` is called by the thread, whose name has at most 15 letters: once for each watch(), and about once a second
  // before that, so that time-outs are seen. Throws Error{unavailable} when the system has no descriptors left.
  Watcher(std::function<void()> wake, const char* thread_name);
  ~Watcher();

  // Once the socket can be read (or written). A socket that is closed is forgotten by itself.
  void watch(int fd, bool write);

 private:
  void run();

  const std::function<void()> wake_;
  Fd events_;
  WakeFd stop_;
  std::atomic<bool> armed_{false};
  std::thread thread_;
};

}  // namespace deltaforge::net
