// How fast: printed, and held against a floor that only something broken falls below (the machine is shared, and this
// runs under sanitizers too). The targets are in bench: 500,000 events a second redacted and tagged, 0.2 us for one
// that is not touched.
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <string>

#include "processors/javascript/javascript.h"
#include "processors/testing/batch.h"

namespace deltaforge::processors::javascript {
namespace {

using processors::testing::number;
using processors::testing::TestBatch;
using processors::testing::text;

double events_per_second(const std::string& script) {
  constexpr int kEvents = 2'000;
  Config config;
  config.script = script;
  config.limits.cpu_ms = 10'000;
  config.limits.timeout_ms = 20'000;
  JavaScript processor(config, {.pipeline = "p", .tenant = {}});
  std::chrono::duration<double> spent{};
  int rounds = 0;
  for (; rounds < 20 || (spent.count() < 1 && rounds < 500); ++rounds) {
    TestBatch batch;
    for (int i = 0; i < kEvents; ++i)
      batch.insert(
          {number(i), text("someone@example.com"), text("12.50"), Value::null(), text("some more text of a row")});
    batch.commit();
    const auto begin = std::chrono::steady_clock::now();
    processor.process(batch.batch());
    if (rounds >= 5) spent += std::chrono::steady_clock::now() - begin;  // compiled by then
  }
  return (rounds - 5) * kEvents / spent.count();
}

TEST(JavaScriptSpeed, RedactAndTag) {
  const double rate = events_per_second(
      "function processBatch(events) { return events.map(e => { if (e.after && e.after.status) e.after.status = "
      "'[redacted]'; e.tags = ['redacted']; return e; }); }");
  std::cout << "redact and tag: " << rate << " events/s\n";
  EXPECT_GT(rate, 5'000);
}

TEST(JavaScriptSpeed, Untouched) {
  const double rate = events_per_second("function processBatch(events) { return events; }");
  std::cout << "untouched: " << 1e6 / rate << " us\n";
  EXPECT_GT(rate, 50'000);
}

}  // namespace
}  // namespace deltaforge::processors::javascript
