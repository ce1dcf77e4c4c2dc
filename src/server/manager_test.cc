#include "server/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "obs/metrics.h"
#include "server/fake_pipeline_for_test.h"

namespace deltaforge::server {
namespace {

using pipeline::Status;
using testing::bad_document;
using ::testing::ElementsAre;
using testing::FakeWorld;
using testing::good_document;
using ::testing::Not;
using testing::real_document;
constexpr std::chrono::milliseconds kDeadline{1000};

std::vector<Document> documents(Document first, Document second) {
  std::vector<Document> both;
  both.push_back(std::move(first));
  both.push_back(std::move(second));
  return both;
}

TEST(Manager, OneBadDocumentDoesNotStopTheOthers) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
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
  Manager manager(world.launch(), world.specs);
  manager.add(
      documents(bad_document("lacks", "not in this build: sink redis; there are: file"), good_document("good", "pg")));
  EXPECT_EQ(manager.find("lacks")->state.error->kind, "unsupported");
}

TEST(Manager, TwoLivePipelinesCannotShareASourceId) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
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
  Manager manager(world.launch(), world.specs);
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
  Manager manager(world.launch(), world.specs);
  manager.add(documents(good_document("a", "pg"), good_document("b", "pg-b")));
  EXPECT_EQ(manager.find("a")->state.error->kind, "storage");
  EXPECT_EQ(manager.find("b")->state.status, Status::running);
  world["a"].launches = true;
  EXPECT_EQ(manager.resume("a"), Change::done);
  EXPECT_EQ(manager.find("a")->state.status, Status::running);
}

TEST(Manager, DrainStopsAllAndSaysWhetherAllWereInTime) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
  manager.add(documents(good_document("a", "pg-a"), good_document("b", "pg-b")));
  world["b"].drains = false;
  EXPECT_FALSE(manager.drain(kDeadline));
  EXPECT_THAT(world["a"].calls, ElementsAre("start", "stop"));
  EXPECT_THAT(world["b"].calls, ElementsAre("start", "stop"));
  EXPECT_EQ(manager.resume("a"), Change::refused) << "nothing starts again while the process leaves";
  world["b"].drains = true;
  EXPECT_TRUE(manager.drain(kDeadline));
}

TEST(Manager, CreatedPipelinesComeBackInTheNextProcess) {
  FakeWorld world;
  {
    Manager manager(world.launch(), world.specs);
    EXPECT_EQ(manager.create(real_document("a")).change, Change::done);
    EXPECT_EQ(manager.create(real_document("a")).change, Change::exists);
  }
  auto kept = world.specs.load();
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].name, "a");
  EXPECT_EQ(kept[0].problems.text(), "");
  EXPECT_TRUE(kept[0].spec.has_value());
  Manager next(world.launch(), world.specs);
  next.add(std::move(kept));
  EXPECT_EQ(next.find("a")->state.status, Status::running);
  EXPECT_EQ(next.remove("a", false).change, Change::done);
  EXPECT_TRUE(world.specs.load().empty());
  EXPECT_FALSE(next.find("a"));
  EXPECT_THAT(world["a"].calls, ElementsAre("start", "start", "stop", "retire"));
}

TEST(Manager, TheFileWinsOverWhatWasKept) {
  FakeWorld world;
  Manager(world.launch(), world.specs).create(real_document("a"));
  Manager next(world.launch(), world.specs);
  next.announce({});
  std::vector<Document> of_file;
  of_file.push_back(good_document("a", "pg-file"));
  next.announce(std::move(of_file));
  next.announce(world.specs.load());
  next.start();
  ASSERT_EQ(next.list().size(), 1U);
  EXPECT_THAT(next.find("a")->spec, ::testing::HasSubstr(R"("type":"fake")"));
}

TEST(Manager, NothingIsLeftOfAPipelineThatCouldNotBeMade) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
  world["a"].launches = false;
  Outcome outcome = manager.create(real_document("a"));
  EXPECT_EQ(outcome.change, Change::refused);
  EXPECT_EQ(outcome.error->kind, "storage");
  EXPECT_TRUE(manager.list().empty());
  EXPECT_TRUE(world.specs.load().empty());
  world["a"].launches = true;
  EXPECT_EQ(manager.create(real_document("a")).change, Change::done);
  outcome = manager.create(real_document("b"));
  EXPECT_EQ(outcome.error->kind, "SOURCE_ID_IN_USE");
  EXPECT_EQ(manager.list().size(), 1U);
}

TEST(Manager, AChangeThatDoesNotRunLeavesTheOldOneRunning) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
  manager.create(real_document("a"));
  const auto changed = [&](const Document&) {
    world["a"].fails_to_start = true;
    world["a"].status.error = pipeline::ErrorInfo{"auth", "no such user", ""};
    return real_document("a", 7);
  };
  world["a"].calls.clear();
  const Outcome outcome = manager.patch("a", changed);
  EXPECT_EQ(outcome.change, Change::refused);
  EXPECT_EQ(outcome.error->message, "no such user");
  EXPECT_THAT(manager.find("a")->spec, Not(::testing::HasSubstr(R"("max_events":7)")));
  EXPECT_THAT(world["a"].calls, ElementsAre("stop", "start", "stop", "resume"));
}

TEST(Manager, AChangeReplacesThePipelineAndIsKept) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
  manager.create(real_document("a"));
  EXPECT_EQ(manager.patch("a", [](const Document&) { return real_document("a", 7); }).change, Change::done);
  EXPECT_THAT(manager.find("a")->spec, ::testing::HasSubstr(R"("max_events":7)"));
  EXPECT_THAT(world.specs.load().at(0).echo, ::testing::HasSubstr(R"("max_events":7)"));
  EXPECT_THAT(world["a"].calls, ElementsAre("start", "stop", "start"));
  EXPECT_EQ(manager.patch("a", [](const Document&) { return bad_document("a", "wrong"); }).change, Change::invalid);
  EXPECT_EQ(manager.patch("none", [](const Document& d) { return Document(d); }).change, Change::unknown_pipeline);
  EXPECT_EQ(manager.patch("a", [](const Document&) { return real_document("a", 7, "other"); }).error->kind,
            "SOURCE_ID_CHANGED");
}

TEST(Manager, WhatCannotBeUndoneOnTheServerIsNotDeleted) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
  manager.create(real_document("a"));
  world["a"].retires = false;
  EXPECT_EQ(manager.remove("a", false).change, Change::refused);
  EXPECT_EQ(manager.find("a")->state.status, Status::stopped);
  EXPECT_EQ(world.specs.load().size(), 1U);
  EXPECT_EQ(manager.remove("a", true).change, Change::done);
  EXPECT_EQ(manager.remove("a", true).change, Change::unknown_pipeline);
}

TEST(Manager, ADeletionThatWasCutShortIsFinishedByTheNextStart) {
  FakeWorld world;
  world.specs.keep("made", real_document("made").root);
  world.specs.begin_removal("made");
  world.specs.begin_removal("filed");
  Manager manager(world.launch(), world.specs);
  std::vector<Document> all = world.specs.load();
  all.push_back(good_document("filed", "pg-filed"));
  all.push_back(good_document("other", "pg-other"));
  manager.add(std::move(all));
  EXPECT_FALSE(manager.find("made"));
  EXPECT_THAT(world["made"].calls, ElementsAre("retire"));
  EXPECT_TRUE(world.specs.load().empty());
  EXPECT_THAT(world["filed"].calls, ElementsAre("retire", "start")) << "its file is still there";
  EXPECT_THAT(world["other"].calls, ElementsAre("start"));
  EXPECT_FALSE(world.specs.removal_begun("made") || world.specs.removal_begun("filed"));
}

TEST(Manager, ADeletionThatCannotBeFinishedShowsAndIsTriedAgain) {
  FakeWorld world;
  world["a"].retires = false;
  world.specs.begin_removal("a");
  {
    Manager manager(world.launch(), world.specs);
    manager.add(documents(good_document("a", "pg"), good_document("b", "pg-b")));
    EXPECT_EQ(manager.find("a")->state.status, Status::failed);
    EXPECT_THAT(manager.find("a")->state.error->message, ::testing::HasSubstr("deletion was cut short"));
    EXPECT_TRUE(world.specs.removal_begun("a"));
    world["a"].retires = true;
    EXPECT_EQ(manager.remove("a", false).change, Change::done);
  }
  EXPECT_FALSE(world.specs.removal_begun("a"));
}

TEST(Manager, WhoeverStartsAPipelineWantsIt) {
  FakeWorld world;
  world["a"].retires = false;
  world.specs.begin_removal("a");
  world.specs.begin_removal("nobody");
  {
    Manager manager(world.launch(), world.specs);
    manager.add(documents(good_document("a", "pg"), good_document("b", "pg-b")));
    EXPECT_EQ(manager.resume("a"), Change::done);
  }
  EXPECT_TRUE(world.specs.removals().empty());
  world["a"].retires = true;
  Manager manager(world.launch(), world.specs);
  manager.add(documents(good_document("a", "pg"), good_document("b", "pg-b")));
  EXPECT_THAT(world["a"].calls, Not(::testing::Contains("retire")));
}

TEST(Manager, ADeletionThatIsRefusedLeavesNoMark) {
  FakeWorld world;
  world["a"].retires = false;
  Manager manager(world.launch(), world.specs);
  manager.add(documents(good_document("a", "pg"), good_document("b", "pg-b")));
  EXPECT_EQ(manager.remove("a", false).change, Change::refused);
  EXPECT_FALSE(world.specs.removal_begun("a"));
}

TEST(Manager, PositionsOfAStoppedPipelineCanBeForgotten) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
  manager.create(real_document("a"));
  EXPECT_EQ(manager.reset("a").error->kind, "PIPELINE_RUNNING");
  manager.stop("a", kDeadline);
  EXPECT_EQ(manager.reset("a").change, Change::done);
  EXPECT_EQ(world["a"].calls.back(), "reset");
  EXPECT_EQ(manager.reset("none").change, Change::unknown_pipeline);
}

// Positions are kept under the source's id.
TEST(Manager, WhatAnotherPipelineUsesTooIsLeftAlone) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
  manager.add(documents(real_document("a"), real_document("b")));
  EXPECT_EQ(manager.find("b")->state.error->kind, "SOURCE_ID_IN_USE");
  EXPECT_EQ(manager.remove("b", false).change, Change::done);
  EXPECT_TRUE(world["b"].calls.empty());
  manager.add(documents(real_document("c"), bad_document("d", "wrong")));
  manager.stop("a", kDeadline);
  manager.resume("c");
  EXPECT_EQ(manager.reset("a").error->kind, "SOURCE_ID_IN_USE");
  EXPECT_EQ(manager.find("c")->state.status, Status::running);
  EXPECT_EQ(manager.remove("d", false).change, Change::refused) << "nobody knows what it made";
  EXPECT_EQ(manager.remove("d", true).change, Change::done);
}

TEST(Manager, APausedPipelineStaysPaused) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
  manager.create(real_document("a"));
  manager.pause("a");
  EXPECT_EQ(manager.patch("a", [](const Document&) { return real_document("a", 7); }).change, Change::done);
  EXPECT_EQ(manager.find("a")->state.status, Status::paused);
}

// Whatever is called at once, each pipeline is changed by one call at a time, and what is kept is what is there.
TEST(Manager, AStormOfCalls) {
  FakeWorld world;
  for (const char* name : {"a", "b", "c"}) world[name];  // made before the threads
  Manager manager(world.launch(), world.specs);
  std::vector<std::jthread> clients;
  for (unsigned client = 0; client < 8; ++client)
    clients.emplace_back([&manager, client] {
      std::mt19937 random(client);
      for (int i = 0; i < 60; ++i) {
        const std::string name(1, static_cast<char>('a' + random() % 3));
        switch (random() % 6) {
          case 0: manager.create(real_document(name, 5, name)); break;
          case 1: manager.patch(name, [&](const Document&) { return real_document(name, 6, name); }); break;
          case 2: manager.remove(name, random() % 2 == 0); break;
          case 3: manager.stop(name, kDeadline); break;
          case 4: manager.resume(name); break;
          default: manager.list(); break;
        }
      }
    });
  clients.clear();
  std::vector<std::string> live, kept;
  for (const auto& info : manager.list()) live.push_back(info.name);
  for (const auto& document : world.specs.load()) kept.push_back(document.name);
  EXPECT_THAT(kept, ::testing::UnorderedElementsAreArray(live));
}

TEST(Manager, Gauges) {
  FakeWorld world;
  Manager manager(world.launch(), world.specs);
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
