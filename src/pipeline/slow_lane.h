// Which lane holds the others up: the one that the transform stage waited for alone for more than half of a window of
// time. Nothing is measured while it waits for nobody. Transform thread only. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace deltaforge::pipeline {

class SlowLane {
 public:
  static constexpr std::chrono::seconds kWindow{5};

  bool is_waiting() const { return alone_.has_value(); }
  // From here on it is waited for `alone`; nothing: for none, or for several. Returns the lane that was too slow, at
  // the end of a window.
  std::optional<std::size_t> note(SteadyTime now, std::optional<std::size_t> alone) {
    if (alone_) waited_[*alone_] += now - since_;
    if (alone && *alone >= waited_.size()) waited_.resize(*alone + 1, Duration::zero());
    alone_ = alone;
    since_ = now;
    const Duration all = now - began_;
    if (all < kWindow) return std::nullopt;
    std::optional<std::size_t> slow;
    for (std::size_t i = 0; i < waited_.size(); ++i) {
      if (waited_[i] * 2 > all) slow = i;
      waited_[i] = Duration::zero();
    }
    began_ = now;
    return slow;
  }
  // When to say again what is waited for.
  SteadyTime due() const { return alone_ ? began_ + kWindow : SteadyTime::max(); }

 private:
  std::vector<Duration> waited_;  // for each lane that was waited for once
  std::optional<std::size_t> alone_;
  SteadyTime since_{}, began_{};  // of waiting for `alone_`; of the window
};

}  // namespace deltaforge::pipeline
