// Which lanes hold the others up: each that the transform stage waited for during more than half of a window of time,
// while others had taken their batch. Nothing is measured while it waits for nobody. Transform thread only. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace deltaforge::pipeline {

class SlowLanes {
 public:
  static constexpr std::chrono::seconds kWindow{5};

  bool is_waiting() const { return !waiting_.empty(); }
  // From here on these are waited for. Returns the lanes that were too slow, at the end of a window.
  std::vector<std::size_t> note(SteadyTime now, std::vector<std::size_t> waiting) {
    for (const std::size_t lane : waiting_) {
      if (lane >= waited_.size()) waited_.resize(lane + 1, Duration::zero());
      waited_[lane] += now - since_;
    }
    waiting_ = std::move(waiting);
    since_ = now;
    const Duration all = now - began_;
    if (all < kWindow) return {};
    std::vector<std::size_t> slow;
    for (std::size_t i = 0; i < waited_.size(); ++i)
      if (waited_[i] * 2 > all) slow.push_back(i);
    waited_.clear();
    began_ = now;
    return slow;
  }
  // When to say again what is waited for.
  SteadyTime due() const { return is_waiting() ? began_ + kWindow : SteadyTime::max(); }

 private:
  std::vector<Duration> waited_;  // for each lane that was waited for once
  std::vector<std::size_t> waiting_;
  SteadyTime since_{}, began_{};  // of waiting for `waiting_`; of the window
};

}  // namespace deltaforge::pipeline
