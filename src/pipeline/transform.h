// The transform stage: takes a cut batch, runs the processors over it in place, freezes it and hands one reference to
// each lane. It waits for a lane whose queue is full: that is the back-pressure. step() belongs to the transform
// thread (or to a test's scheduler).
#pragma once

#include <memory>
#include <vector>

#include "base/bell.h"
#include "base/clock.h"
#include "core/processor.h"
#include "pipeline/handoff.h"
#include "pipeline/lane.h"
#include "pipeline/probe.h"

namespace deltaforge::pipeline {

class Transform {
 public:
  Transform(Handoff<BatchPtr>& in, std::vector<std::unique_ptr<Processor>> processors,
            const std::vector<std::unique_ptr<Lane>>& lanes, BatchProbe probe, const Clock& clock)
      : in_(in), processors_(std::move(processors)), lanes_(lanes), probe_(std::move(probe)), clock_(clock) {}

  // True: it moved something; call again at once. False: wait for the bell. Throws what a processor throws.
  bool step();
  Bell& bell() { return bell_; }
  BatchProbe& probe() { return probe_; }
  // Nothing is waiting here.
  bool empty() const { return in_.size() == 0 && !holding_.load(std::memory_order_acquire); }

 private:
  void freeze(BatchPtr);

  Handoff<BatchPtr>& in_;
  std::vector<std::unique_ptr<Processor>> processors_;
  const std::vector<std::unique_ptr<Lane>>& lanes_;
  BatchProbe probe_;
  const Clock& clock_;
  Bell bell_;
  BatchRef current_;         // frozen, not yet taken by every lane
  std::vector<bool> taken_;  // by which lanes
  std::atomic<bool> holding_{false};
};

}  // namespace deltaforge::pipeline
