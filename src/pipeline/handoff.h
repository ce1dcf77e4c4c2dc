// A bounded queue between two threads: a ring of fixed size under a mutex, taken once per batch. It never blocks;
// who waits, waits on a Bell.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace deltaforge::pipeline {

template <class T>
class Handoff {
 public:
  explicit Handoff(std::size_t capacity) : ring_(capacity) {}

  // False, and `item` untouched, when it is full.
  bool try_push(T&& item) {
    std::lock_guard lock(mutex_);
    if (size_ == ring_.size()) return false;
    ring_[(head_ + size_) % ring_.size()] = std::move(item);
    ++size_;
    return true;
  }

  bool try_pop(T& item) {
    std::lock_guard lock(mutex_);
    if (size_ == 0) return false;
    item = std::move(ring_[head_]);
    ring_[head_] = T();
    head_ = (head_ + 1) % ring_.size();
    --size_;
    return true;
  }

  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  std::size_t capacity() const { return ring_.size(); }

 private:
  std::mutex mutex_;
  std::vector<T> ring_;
  std::size_t head_ = 0;
  std::atomic<std::size_t> size_{0};
};

}  // namespace deltaforge::pipeline
