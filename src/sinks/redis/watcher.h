// Wakes the lane when the socket has something for it: a thread that waits, and touches nothing. One per sink.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "base/fd.h"

namespace deltaforge::sinks::redis {

class Watcher {
 public:
  // `wake` is called by the thread: once for each watch(), and about once a second before that, so that time-outs are
  // seen.
  explicit Watcher(std::function<void()> wake);
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

}  // namespace deltaforge::sinks::redis
