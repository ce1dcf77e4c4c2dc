// Owned file descriptors, and the eventfd that wakes a poll().
#pragma once

#include <atomic>
#include <utility>

namespace deltaforge {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Level-triggered: stays readable from signal() until clear(). signal() may be called from any thread, clear() from
// the one that polls; without a signal it costs no system call.
class WakeFd {
 public:
  WakeFd();
  int fd() const { return fd_.get(); }
  void signal() noexcept;
  void clear() noexcept;

 private:
  Fd fd_;
  std::atomic<bool> signalled_{false};  // from before the write until after the read that took it
};

}  // namespace deltaforge
