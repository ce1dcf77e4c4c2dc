#include "server/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "obs/metrics.h"
#include "server/fake_pipeline_for_test.h"

namespace deltaforge::server {
namespace {

using pipeline::Status;
using testing::bad_document;
using ::testing::ElementsAre;
using testing::FakeWorld;
using testing::good_document;
constexpr std::chrono::milliseconds kDeadline{1000};

std::vector<Document> documents(Document first, Document second) {
  std::vector<Document> both;
  both.push_back(std::move(first));
  both.push_back(std::move(second));
  return both;
}

TEST(Manager, OneBadDocumentDoesNotStopTheOthers) {
  FakeWorld world;
  Manager manager(world.launch());
  manager.add(documents(bad_document("bad", "something is wrong"), good_document("good", "pg")));

  auto infos = manager.list();
  ASSERT_EQ(infos.size(), 2U);
  EXPECT_EQ(infos[0].name, "bad");
  EXPECT_EQ(infos[0].state.status, Status::failed);
  EXPECT_EQ(infos[0].state.error->kind, "config");
  EXPECT_EQ(infos[0].state.error->message, "bad.yaml:3:5: sinks: something is wrong");
  EXPECT_EQ(infos[0].state.error->hint, "deltaforge validate bad.yaml shows all of it");
  EXPECT_EQ(infos[0].spec, "null");
  EXPECT_EQ(infos[1].state.status, Status::running);
  EXPECT_THAT(world["good"].calls, ElementsAre("start"));
  EXPECT_EQ(manager.resume("bad"), Change::refused);
  EXPECT_EQ(manager.pause("none"), Change::unknown_pipeline);
}

TEST(Manager, WhatThisBuildLacksIsOfKindUnsupported) {
  FakeWorld world;
  Manager manager(world.launch());
  manager.add(
      documents(bad_document("lacks", "not in this build: sink redis; there are: file"), good_document("good", "pg")));
  EXPECT_EQ(manager.find("lacks")->state.error->kind, "unsupported");
}

TEST(Manager, TwoLivePipelinesCannotShareASourceId) {
  FakeWorld world;
  Manager manager(world.launch());
  manager.add(documents(good_document("first", "pg"), good_document("second", "pg")));

  auto second = manager.find("second");
  EXPECT_EQ(second->state.status, Status::failed);
  EXPECT_EQ(second->state.error->kind, "SOURCE_ID_IN_USE");
  EXPECT_EQ(second->state.error->message,
            "starting pipeline 'second': pipeline 'first' already reads the source id 'pg'");
  EXPECT_TRUE(world["second"].calls.empty());
  EXPECT_EQ(manager.resume("second"), Change::refused);

  // The id is free once its owner has stopped, and then it is the other's turn to be refused.
  EXPECT_EQ(manager.stop("first", kDeadline), Change::done);
  EXPECT_EQ(manager.resume("second"), Change::done);
  EXPECT_EQ(manager.find("second")->state.status, Status::running);
  EXPECT_EQ(manager.resume("first"), Change::refused);
  EXPECT_EQ(manager.find("first")->state.error->kind, "SOURCE_ID_IN_USE");
}

TEST(Manager, PauseResumeStopReachThePipeline) {
  FakeWorld world;
  Manager manager(world.launch());
  manager.add(documents(good_document("a", "pg-a"), good_document("b", "pg-b")));
  EXPECT_EQ(manager.pause("a"), Change::done);
  EXPECT_EQ(manager.find("a")->state.status, Status::paused);
  EXPECT_EQ(manager.resume("a"), Change::done);
  EXPECT_EQ(manager.stop("a", kDeadline), Change::done);
  EXPECT_EQ(manager.resume("a"), Change::done);
  EXPECT_THAT(world["a"].calls, ElementsAre("start", "pause", "resume", "stop", "resume"));
  EXPECT_THAT(world["b"].calls, ElementsAre("start"));
}

TEST(Manager, APipelineThatCannotBeLaunchedCanBeResumedLater) {
  FakeWorld world;
  world["a"].launches = false;
  Manager manager(world.launch());
  manager.add(documents(good_document("a", "pg"), good_document("b", "pg-b")));
  EXPECT_EQ(manager.find("a")->state.error->kind, "storage");
  EXPECT_EQ(manager.find("b")->state.status, Status::running);
  world["a"].launches = true;
  EXPECT_EQ(manager.resume("a"), Change::done);
  EXPECT_EQ(manager.find("a")->state.status, Status::running);
}

TEST(Manager, DrainStopsAllAndSaysWhetherAllWereInTime) {
  FakeWorld world;
  Manager manager(world.launch());
  manager.add(documents(good_document("a", "pg-a"), good_document("b", "pg-b")));
  world["b"].drains = false;
  EXPECT_FALSE(manager.drain(kDeadline));
  EXPECT_THAT(world["a"].calls, ElementsAre("start", "stop"));
  EXPECT_THAT(world["b"].calls, ElementsAre("start", "stop"));
  EXPECT_EQ(manager.resume("a"), Change::refused) << "nothing starts again while the process leaves";
  world["b"].drains = true;
  EXPECT_TRUE(manager.drain(kDeadline));
}

TEST(Manager, Gauges) {
  FakeWorld world;
  Manager manager(world.launch());
  manager.add(documents(good_document("gauged", "pg-a"), good_document("ill", "pg-b")));
  world["ill"].status.status = Status::degraded;
  manager.publish_metrics();
  auto& metrics = obs::Metrics::instance();
  EXPECT_EQ(metrics.gauge("deltaforge_pipelines_total", {}).value(), 2);
  EXPECT_EQ(metrics.gauge("deltaforge_pipeline_status", {{"pipeline", "ill"}}).value(), 1);
  EXPECT_EQ(metrics.gauge("deltaforge_pipeline_degraded", {{"pipeline", "ill"}}).value(), 1);
  EXPECT_EQ(metrics.gauge("deltaforge_pipeline_degraded", {{"pipeline", "gauged"}}).value(), 0);
  EXPECT_THAT(metrics.text(), ::testing::HasSubstr(R"(deltaforge_pipeline_info{label_env="dev",label_team="gauged",)"
                                                   R"(pipeline="gauged",tenant="acme"} 1)"));
  manager.pause("gauged");
  world["ill"].status.status = Status::failed;
  manager.publish_metrics();
  EXPECT_EQ(metrics.gauge("deltaforge_pipeline_status", {{"pipeline", "gauged"}}).value(), 0.5);
  EXPECT_EQ(metrics.gauge("deltaforge_pipeline_status", {{"pipeline", "ill"}}).value(), -1);
}

}  // namespace
}  // namespace deltaforge::server
