#include "processors/javascript/worker.h"

#include <utility>

#include "processors/javascript/quiet_threads.h"

namespace deltaforge::processors::javascript {

Worker::Worker() {
  const QuietThreads quiet;
  thread_ = std::thread([this] { loop(); });
}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Worker::run(const std::function<void()>& job) {
  std::unique_lock lock(mutex_);
  job_ = &job;
  changed_.notify_all();
  changed_.wait(lock, [&] { return job_ == nullptr; });
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

void Worker::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || job_ != nullptr; });
    if (job_ == nullptr) return;
    lock.unlock();
    std::exception_ptr thrown;
    try {
      (*job_)();
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    thrown_ = thrown;
    job_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace deltaforge::processors::javascript
