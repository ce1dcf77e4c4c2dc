// A pipeline that stops does not wait for its scripts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "base/error.h"
#include "processors/javascript/javascript.h"
#include "processors/testing/batch.h"

namespace deltaforge::processors::javascript {
namespace {

using processors::testing::number;
using processors::testing::TestBatch;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;

// They may run for ten minutes.
Config config_of(const std::string& script) {
  Config config;
  config.id = "endless";
  config.script = script;
  config.limits = {.cpu_ms = 60'000, .mem_mb = 1'000, .timeout_ms = 600'000};
  return config;
}

constexpr const char* kEndless[] = {
    "(e) => { for (;;) {} }",
    "(e) => { for (;;) { try { for (;;) {} } catch (x) {} finally { continue; } } }",
    "(e) => { e.after = {get x() { for (;;) {} }}; }",
    "(e) => { e.after = new Proxy({}, {ownKeys() { for (;;) {} }}); }",
    "(e) => { /^(a+)+$/.test('a'.repeat(40) + 'b'); }",
    "(e) => { let all = []; for (;;) { all.push({}); if (all.length > 1e6) all = []; } }",
};

void fill(TestBatch& batch, int rows) {
  for (int i = 0; i < rows; ++i) batch.insert({number(i)});
  batch.commit();
}

// Runs it, and `then` on another thread 50 ms later. How long it took from there.
template <class Then>
milliseconds cancelled_after(JavaScript& processor, Batch& batch, const Then& then) {
  steady_clock::time_point said;
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(50));
    said = steady_clock::now();
    then();
  });
  EXPECT_THROW(processor.process(batch), Cancelled);
  const auto end = steady_clock::now();
  other.join();
  return std::chrono::duration_cast<milliseconds>(end - said);
}

TEST(JavaScriptStop, CancelEndsARunningCallAtOnce) {
  for (const char* script : kEndless) {
    for (const OnError on_error : {OnError::fail, OnError::drop}) {
      Config config = config_of(script);
      config.on_error = on_error;
      JavaScript processor(config, {.pipeline = "p", .tenant = {}});
      TestBatch batch, next;
      fill(batch, 100);
      fill(next, 1);
      EXPECT_LT(cancelled_after(processor, batch.batch(), [&] { processor.cancel(); }), milliseconds(5000)) << script;
      EXPECT_EQ(batch.left().size(), 100U) << "nothing was dropped";
      EXPECT_THROW(processor.process(next.batch()), Cancelled) << "nor does it begin again";
    }
  }
}

TEST(JavaScriptStop, AStopWaitsAMomentForARunningCall) {
  JavaScript processor(config_of(kEndless[0]), {.pipeline = "p", .tenant = {}});
  TestBatch batch;
  fill(batch, 1);
  const milliseconds took = cancelled_after(processor, batch.batch(), [&] { processor.wind_down(); });
  EXPECT_GE(took, Settings::kPatience);
  EXPECT_LT(took, Settings::kPatience + milliseconds(5000));
}

// Else 1,000 events would each take their limit, one by one.
TEST(JavaScriptStop, WhatRunsIntoALimitMeanwhileIsNotRepeatedEventByEvent) {
  Config config = config_of(kEndless[0]);
  config.limits.cpu_ms = 200;
  config.on_error = OnError::drop;
  JavaScript processor(config, {.pipeline = "p", .tenant = {}});
  TestBatch batch;
  fill(batch, 100);
  EXPECT_LT(cancelled_after(processor, batch.batch(), [&] { processor.wind_down(); }), milliseconds(5000));
  EXPECT_EQ(batch.left().size(), 100U);
}

TEST(JavaScriptStop, WhatIsQuickIsStillDone) {
  Config config = config_of("(e) => { if (e.after.id === 1) throw 1; }");
  config.on_error = OnError::drop;
  JavaScript processor(config, {.pipeline = "p", .tenant = {}});
  processor.wind_down();
  TestBatch batch;
  fill(batch, 3);
  processor.process(batch.batch());
  EXPECT_THAT(batch.left(), ElementsAre(0, 2)) << "and what fails for its own sake has its way";
}

}  // namespace
}  // namespace deltaforge::processors::javascript
