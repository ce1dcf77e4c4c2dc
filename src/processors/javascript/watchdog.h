// Looks at a running call from a thread of its own, and asks the engine for an interrupt when one is due: a deadline
// has passed, or memory has grown. No more often than that: with each interrupt a regular expression begins anew, and
// after some of them the engine says "too much recursion" of one that was merely slow.
#pragma once

#include <time.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>

#include "base/fd.h"
#include "processors/javascript/script.h"

struct JSContext;

namespace deltaforge::processors::javascript {

class Watchdog {
 public:
  // Time counts of the thread that makes it; there the calls are, too. `stop`: see Settings.
  Watchdog(JSContext*, const Limits&, const std::atomic<Stop>* stop);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  // A call begins, and ends.
  void begin();
  void end() { in_call_.store(false); }
  // Why the running call must end, but for memory.
  std::optional<Failure::Kind> passed();

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  struct Memory {
    std::size_t heap = 0, process = 0;  // bytes; the engine's own counts of the rest are its thread's alone
  };

  void watch();
  bool is_due();
  bool has_grown();
  bool stopped(std::int64_t now);
  std::size_t process_bytes() const;

  JSContext* const context_;
  const Limits limits_;
  const std::atomic<Stop>* const stop_;
  const std::size_t step_;  // of memory
  const Fd statm_;
  clockid_t cpu_clock_{};
  std::atomic<std::int64_t> cpu_at_{kNever}, wall_at_{kNever}, stop_at_{kNever};  // of the running call

  // Of the watchdog's thread.
  Memory seen_;  // the least since the last interrupt
  std::int64_t looked_at_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> in_call_{false}, asleep_{false};
  bool ends_ = false;  // under mutex_
  std::thread thread_;
};

}  // namespace deltaforge::processors::javascript
