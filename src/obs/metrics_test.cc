#include "obs/metrics.h"

#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deltaforge::obs {
namespace {

using testing::HasSubstr;
using testing::Not;

Metrics& metrics() { return Metrics::instance(); }

TEST(Metrics, SameNameAndLabelsAreOneSeries) {
  Counter a = metrics().counter("deltaforge_checkpoints_total", {{"pipeline", "same"}});
  Counter b = metrics().counter("deltaforge_checkpoints_total", {{"pipeline", "same"}});
  a.add();
  b.add(2);
  EXPECT_EQ(a.value(), 3);
  EXPECT_THAT(metrics().text(), HasSubstr("deltaforge_checkpoints_total{pipeline=\"same\"} 3\n"));
}

TEST(Metrics, TextCarriesHelpAndType) {
  metrics().gauge("deltaforge_pipelines_total", {}).set(2);
  const std::string text = metrics().text();
  EXPECT_THAT(text, HasSubstr("# HELP deltaforge_pipelines_total Pipelines that are loaded.\n"
                              "# TYPE deltaforge_pipelines_total gauge\n"
                              "deltaforge_pipelines_total 2\n"));
}

TEST(Metrics, LabelValuesAreEscaped) {
  metrics().gauge("deltaforge_pipeline_status", {{"pipeline", "a\"b\\c\nd"}}).set(1);
  EXPECT_THAT(metrics().text(), HasSubstr(R"(deltaforge_pipeline_status{pipeline="a\"b\\c\nd"} 1)"));
  metrics().forget("pipeline", "a\"b\\c\nd");
}

TEST(Metrics, BatchBucketsReach65536) {
  metrics().histogram("deltaforge_batch_events", {{"pipeline", "h"}}).observe(50'000);
  const std::string text = metrics().text();
  EXPECT_THAT(text, HasSubstr("deltaforge_batch_events_bucket{pipeline=\"h\",le=\"32768\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("deltaforge_batch_events_bucket{pipeline=\"h\",le=\"65536\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("deltaforge_batch_events_count{pipeline=\"h\"} 1\n"));
}

TEST(Metrics, ForgetRemovesThePipelineAndLeavesTheHandlesAlive) {
  const Labels gone{{"pipeline", "gone"}, {"sink", "k"}};
  Counter handle = metrics().counter("deltaforge_sink_events_total", gone);
  handle.add(5);
  metrics().counter("deltaforge_sink_events_total", {{"pipeline", "stays"}, {"sink", "k"}}).add();
  metrics().forget("pipeline", "gone");
  EXPECT_THAT(metrics().text(), Not(HasSubstr("pipeline=\"gone\"")));
  EXPECT_THAT(metrics().text(), HasSubstr("pipeline=\"stays\""));
  handle.add(1);
  EXPECT_EQ(metrics().counter("deltaforge_sink_events_total", gone).value(), 0);
  metrics().forget("pipeline", "gone");
}

TEST(Metrics, ForgetGaugesLeavesWhatCounts) {
  const Labels labels{{"pipeline", "stopped"}};
  metrics().gauge("deltaforge_source_lag_seconds", labels).set(7);
  metrics().counter("deltaforge_checkpoints_total", labels).add(3);
  metrics().forget_gauges("pipeline", "stopped");
  EXPECT_THAT(metrics().text(), Not(HasSubstr("deltaforge_source_lag_seconds{pipeline=\"stopped\"}")));
  EXPECT_THAT(metrics().text(), HasSubstr("deltaforge_checkpoints_total{pipeline=\"stopped\"} 3"));
  metrics().forget("pipeline", "stopped");
}

TEST(Metrics, ProcessNumbersAreFilledIn) {
  const std::string text = metrics().text();
  for (const char* name : {"process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds",
                           "process_threads", "process_cpu_seconds_total"}) {
    EXPECT_THAT(text, HasSubstr("\n" + std::string(name) + " "));
    EXPECT_THAT(text, Not(HasSubstr("\n" + std::string(name) + " 0\n")));
  }
}

TEST(Metrics, AHandleThatWasNeverResolvedCountsNothing) {
  Counter counter;
  counter.add();
  EXPECT_EQ(counter.value(), 0);
}

TEST(Metrics, CountsFromManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      for (int k = 0; k < 1000; ++k) metrics().counter("deltaforge_bytes_total", {{"pipeline", "many"}}).add();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(metrics().counter("deltaforge_bytes_total", {{"pipeline", "many"}}).value(), 4000);
}

TEST(MetricsDeathTest, UnknownNamesAndMissingLabelsAreBugs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(metrics().counter("deltaforge_nonsense_total", {}), "deltaforge_nonsense_total");
  EXPECT_DEATH(metrics().gauge("deltaforge_checkpoints_total", {{"pipeline", "p"}}), "deltaforge_checkpoints_total");
  EXPECT_DEATH(metrics().counter("deltaforge_sink_events_total", {{"pipeline", "p"}}), "deltaforge_sink_events_total");
}

}  // namespace
}  // namespace deltaforge::obs
