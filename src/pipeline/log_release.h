// How much of its log the source may give up. While a change of the pipeline is only tried out that is nothing: the
// pipeline that may go on in its place can have sinks that stand further back. Any thread; the source outlives it.
#pragma once

#include <mutex>

#include "core/source.h"

namespace deltaforge::pipeline {

class LogRelease {
 public:
  LogRelease(Source& source, bool on_trial) : source_(source), on_trial_(on_trial) {}

  void up_to(const Position& position) {
    const std::lock_guard lock(mutex_);
    if (!on_trial_) return source_.release(position);
    withheld_ = position;  // never behind the one before it
  }
  void end_trial() {
    const std::lock_guard lock(mutex_);
    on_trial_ = false;
    if (!withheld_.empty()) source_.release(withheld_);
  }

 private:
  Source& source_;
  std::mutex mutex_;  // guards what follows
  bool on_trial_;
  Position withheld_;
};

}  // namespace deltaforge::pipeline
