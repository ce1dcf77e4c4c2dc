// Wakes one waiting thread. A ring that comes while nobody waits is kept for the next wait.
#pragma once

#include <condition_variable>
#include <mutex>

#include "base/clock.h"

namespace deltaforge {

class Bell {
 public:
  // Any thread.
  void ring() noexcept {
    std::lock_guard lock(mutex_);
    rung_ = true;
    ready_.notify_one();
  }

  // The owner's thread. Returns at a ring or at the deadline.
  void wait_until(SteadyTime deadline) {
    std::unique_lock lock(mutex_);
    if (deadline == SteadyTime::max())
      ready_.wait(lock, [this] { return rung_; });
    else
      ready_.wait_until(lock, deadline, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  bool rung_ = false;
};

}  // namespace deltaforge
