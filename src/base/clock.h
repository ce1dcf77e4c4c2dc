// Time, as a value that tests can drive. Timers use the steady clock only; the wall clock is for logs and gauges.
#pragma once

#include <chrono>
#include <cstdint>

namespace deltaforge {

using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime now() const { return std::chrono::steady_clock::now(); }
  // Microseconds since the Unix epoch.
  virtual std::int64_t wall_us() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  static const Clock& system() {
    static const Clock clock;
    return clock;
  }
};

}  // namespace deltaforge
