// A thread for what must always happen on one and the same. run() waits for it, so that to its caller it is a call.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace deltaforge::processors::javascript {

class Worker {
 public:
  Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // Throws what `job` throws. One caller at a time.
  void run(const std::function<void()>& job);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* job_ = nullptr;
  std::exception_ptr thrown_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace deltaforge::processors::javascript
