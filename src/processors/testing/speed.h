// How fast a processor is: printed by the speed tests, and held against a floor that only something broken falls below
// (the machine is shared, and the tests run under sanitizers too). `./dev bench processors` shows the numbers of the
// release build beside the pipeline without them.
#pragma once

#include <chrono>
#include <functional>

#include "core/processor.h"
#include "processors/testing/batch.h"

namespace deltaforge::processors::testing {

// `fill` adds 2,000 events to a batch. Only process() counts, once it is warm.
inline double events_per_second(Processor& processor, const std::function<void(TestBatch&)>& fill) {
  constexpr int kWarm = 5, kLeast = 20, kMost = 2'000;
  std::chrono::duration<double> spent{};
  std::uint64_t events = 0;
  for (int round = 0; round < kLeast || (spent.count() < 1 && round < kMost); ++round) {
    TestBatch batch;
    fill(batch);
    batch.commit();
    const auto begin = std::chrono::steady_clock::now();
    processor.process(batch.batch());
    if (round < kWarm) continue;
    spent += std::chrono::steady_clock::now() - begin;
    events += batch.batch().size();
  }
  return static_cast<double>(events) / spent.count();
}

}  // namespace deltaforge::processors::testing
