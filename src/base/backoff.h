// Exponential back-off with a cap and jitter of +-20 %.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

#include "base/clock.h"

namespace deltaforge {

class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds cap, unsigned seed = std::random_device{}())
      : first_(first), cap_(cap), next_(first), random_(seed) {}

  // How long to wait before the next attempt. Each call doubles the following one, up to the cap.
  std::chrono::milliseconds next() {
    auto base = next_;
    next_ = std::min(cap_, next_ * 2);
    std::uniform_real_distribution<double> jitter(0.8, 1.2);
    return std::chrono::milliseconds(static_cast<long>(static_cast<double>(base.count()) * jitter(random_)));
  }
  void reset() { next_ = first_; }

 private:
  std::chrono::milliseconds first_, cap_, next_;
  std::minstd_rand random_;
};

}  // namespace deltaforge
