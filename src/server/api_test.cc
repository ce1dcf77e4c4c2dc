#include "server/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/fake_pipeline_for_test.h"

namespace deltaforge::server {
namespace {

using pipeline::Status;
using testing::bad_document;
using testing::FakeWorld;
using testing::good_document;
using ::testing::HasSubstr;

class ApiTest : public ::testing::Test {
 protected:
  void add(Document document) {
    std::vector<Document> documents;
    documents.push_back(std::move(document));
    manager_.add(std::move(documents));
  }
  Response ask(const std::string& method, const std::string& path,
               std::vector<std::pair<std::string, std::string>> query = {}) {
    return api_.handle({method, path, std::move(query)});
  }
  void expect(const Response& response, int status, const std::string& body) {
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body, body);
    EXPECT_EQ(response.content_type, "application/json");
  }

  FakeWorld world_;
  Manager manager_{world_.launch()};
  Api api_{manager_, false};
};

const std::string kSpecA = R"({"metadata":{"name":"a"},"spec":{"source":{"type":"fake"}}})";

TEST_F(ApiTest, HealthOfAll) {
  add(good_document("a", "pg-a"));
  add(good_document("b", "pg-b"));
  expect(ask("GET", "/health"), 200, R"({"status":"healthy","pipelines":2})");
  world_["b"].status.status = Status::degraded;
  expect(ask("GET", "/health"), 200, R"({"status":"degraded","pipelines":2,"degraded_pipelines":["b"]})");
  world_["a"].status.status = Status::failed;
  expect(ask("GET", "/health"), 503, R"({"status":"unhealthy","failed_pipelines":["a"]})");
  expect(ask("GET", "/livez"), 200, R"({"status":"ok"})");
}

TEST_F(ApiTest, ReadyNeedsEverySourceButNotEverySink) {
  add(good_document("a", "pg-a"));
  expect(ask("GET", "/ready"), 200,
         R"({"status":"ready","pipelines":[{"name":"a","status":"running","spec":)" + kSpecA + R"(,"error":null}]})");

  auto& status = world_["a"].status;
  status.status = Status::degraded;
  status.error = pipeline::ErrorInfo{"unavailable", "connecting to the database: refused", "start it"};
  Response source_away = ask("GET", "/ready");
  EXPECT_EQ(source_away.status, 503);
  EXPECT_THAT(source_away.body, HasSubstr(R"({"status":"not_ready",)"));
  EXPECT_THAT(source_away.body, HasSubstr(R"("status":"degraded")"));
  EXPECT_THAT(source_away.body, HasSubstr(R"("error":{"kind":"unavailable",)"
                                          R"("message":"connecting to the database: refused","hint":"start it"})"));

  status.sinks = {{"k", "kafka", true, "attached", "all brokers are down", "", {}, true}};
  EXPECT_EQ(ask("GET", "/ready").status, 503) << "source and sink away";

  status.processing = true;
  Response sink_away = ask("GET", "/ready");
  EXPECT_EQ(sink_away.status, 200);
  EXPECT_THAT(sink_away.body, HasSubstr(R"("status":"degraded")"));

  for (Status fine : {Status::paused, Status::stopped, Status::running}) {
    status.status = fine;
    EXPECT_EQ(ask("GET", "/ready").status, 200);
  }
  for (Status wrong : {Status::failed, Status::starting}) {
    status.status = wrong;
    EXPECT_EQ(ask("GET", "/ready").status, 503);
  }
}

TEST_F(ApiTest, AnInvalidDocumentIsListedAsFailed) {
  add(good_document("a", "pg-a"));
  add(bad_document("dir/bad.yaml#2", "unknown field"));
  EXPECT_EQ(ask("GET", "/health").body, R"({"status":"unhealthy","failed_pipelines":["dir/bad.yaml#2"]})");
  Response shown = ask("GET", "/pipelines/dir/bad.yaml#2");
  EXPECT_EQ(shown.status, 200);
  EXPECT_THAT(shown.body, HasSubstr(R"("status":"failed","spec":null,"error":{"kind":"config")"));
  Response refused = ask("POST", "/pipelines/dir/bad.yaml#2/resume");
  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(refused.body, HasSubstr(R"({"code":"PIPELINE_NOT_RUNNABLE","message":"pipeline 'dir/bad.yaml#2' cannot )"
                                      R"(resume: bad.yaml:3:5: sinks: unknown field"})"));
}

TEST_F(ApiTest, ListFiltersByLabels) {
  add(good_document("a", "pg-a"));
  add(good_document("b", "pg-b"));
  const std::string kA = R"({"name":"a","status":"running","spec":)" + kSpecA + R"(,"error":null})";
  EXPECT_THAT(ask("GET", "/pipelines").body, HasSubstr(kA + ",{"));
  EXPECT_EQ(ask("GET", "/pipelines", {{"label", "team:a"}}).body, "[" + kA + "]");
  EXPECT_EQ(ask("GET", "/pipelines", {{"label", "team:a"}, {"label", "env:prod"}}).body, "[]");
  EXPECT_EQ(ask("GET", "/pipelines", {{"label", "env"}, {"label", "team:a"}}).body, "[" + kA + "]");
  EXPECT_EQ(ask("GET", "/pipelines", {{"label", "zone"}}).body, "[]");
}

TEST_F(ApiTest, OnePipelineWithItsNumbers) {
  add(good_document("a", "pg-a"));
  auto& status = world_["a"].status;
  status.uptime_seconds = 3600.5;
  status.warnings = {"publication lacks public.x"};
  status.sinks = {{"k", "kafka", true, "attached", "all brokers are down", R"({"lsn":"0/10","tx_id":7})", 0.25, true},
                  {"f", "file", false, "detached", {}, "", {}, false}};
  expect(
      ask("GET", "/pipelines/a"), 200,
      R"({"name":"a","status":"running","spec":)" + kSpecA +
          R"(,"error":null,"ops":{"uptime_seconds":3600.5,"dlq_entries":0,"sink_errors":{"k":"all brokers are down"},)"
          R"("lag_seconds":null,"warnings":["publication lacks public.x"],)"
          R"("sinks":[{"id":"k","type":"kafka","required":true,"state":"attached","behind":true},)"
          R"({"id":"f","type":"file","required":false,"state":"detached","behind":false}],)"
          R"("checkpoints":[{"sink_id":"k","position":{"lsn":"0/10","tx_id":7},"age_seconds":0.25},)"
          R"({"sink_id":"f","position":null,"age_seconds":null}]}})");
  expect(ask("GET", "/pipelines/x"), 404,
         R"({"code":"PIPELINE_NOT_FOUND","message":"no pipeline 'x'; GET /pipelines lists them"})");
}

TEST_F(ApiTest, PauseResumeStop) {
  add(good_document("a", "pg-a"));
  EXPECT_THAT(ask("POST", "/pipelines/a/pause").body, HasSubstr(R"("status":"paused")"));
  EXPECT_THAT(ask("POST", "/pipelines/a/pause").body, HasSubstr(R"("status":"paused")"));
  EXPECT_THAT(ask("POST", "/pipelines/a/resume").body, HasSubstr(R"("status":"running")"));
  EXPECT_THAT(ask("POST", "/pipelines/a/stop").body, HasSubstr(R"("status":"stopped")"));
  EXPECT_EQ(ask("POST", "/pipelines/x/pause").status, 404);
}

TEST_F(ApiTest, WrongRoutesAndMethods) {
  add(good_document("a", "pg-a"));
  expect(ask("GET", "/nothing"), 404, R"({"code":"NOT_FOUND","message":"no such route"})");
  expect(ask("GET", "/pipelinesx"), 404, R"({"code":"NOT_FOUND","message":"no such route"})");
  expect(ask("POST", "/health"), 405, R"({"code":"METHOD_NOT_ALLOWED","message":"this route answers GET only"})");
  EXPECT_EQ(ask("POST", "/health").allow, "GET");
  EXPECT_EQ(ask("GET", "/pipelines/a/pause").allow, "POST");
  EXPECT_EQ(ask("DELETE", "/pipelines").status, 405);
  EXPECT_EQ(ask("HEAD", "/health").status, 200);
}

TEST_F(ApiTest, RequestsAreCountedByRouteNotByPath) {
  add(good_document("a", "pg-a"));
  ask("GET", "/pipelines/a");
  ask("BREW", "/pot/4711");
  Response metrics = ask("GET", "/metrics");
  EXPECT_EQ(metrics.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(metrics.body, HasSubstr(R"(deltaforge_api_requests_total{method="GET",route="/pipelines/{name}",)"));
  EXPECT_THAT(metrics.body,
              HasSubstr(R"(deltaforge_api_requests_total{method="other",route="unmatched",status="404"})"));
  EXPECT_EQ(metrics.body.find("4711"), std::string::npos);
  EXPECT_EQ(api_.handle_metrics_only({"GET", "/metrics", {}}).status, 200);
  EXPECT_EQ(api_.handle_metrics_only({"POST", "/metrics", {}}).status, 405);
  EXPECT_EQ(api_.handle_metrics_only({"GET", "/pipelines", {}}).status, 404);
}

TEST_F(ApiTest, AnOpenAddressWithoutATokenAnswersProbesOnly) {
  add(good_document("a", "pg-a"));
  Api closed(manager_, true);
  for (const char* probe : {"/health", "/livez", "/ready", "/metrics"})
    EXPECT_EQ(closed.handle({"GET", probe, {}}).status, 200) << probe;
  EXPECT_EQ(closed.handle({"GET", "/ready", {}}).body.find("spec"), std::string::npos);
  for (const char* path : {"/pipelines", "/pipelines/a", "/pipelines/none", "/other"}) {
    Response response = closed.handle({"GET", path, {}});
    EXPECT_EQ(response.status, 401) << path;
    EXPECT_THAT(response.body, HasSubstr(R"("code":"TOKEN_REQUIRED")"));
  }
  EXPECT_EQ(closed.handle({"POST", "/pipelines/a/pause", {}}).status, 401);
  EXPECT_EQ(world_["a"].calls.size(), 1U);
}

}  // namespace
}  // namespace deltaforge::server
