#include "server/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "obs/log.h"

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
  Response send(const std::string& method, const std::string& path, const std::string& body) {
    Request request{method, path, {}};
    request.body = body;
    return api_.handle(request);
  }
  void expect(const Response& response, int status, const std::string& body) {
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body, body);
    EXPECT_EQ(response.content_type, "application/json");
  }

  FakeWorld world_;
  Manager manager_{world_.launch(), world_.specs};
  Api api_{manager_, components(), Access({}, Reach::this_machine)};
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
          R"(,"error":null,"ops":{"uptime_seconds":3600.5,"dlq_entries":0,"dlq_parked":0,"dlq_data_loss":0,"sink_errors":{"k":"all brokers are down"},)"
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

std::string body_of(const std::string& name, const std::string& more = "") {
  return R"({"metadata":{"name":")" + name + R"(","tenant":"acme"},"spec":{"source":{"type":"postgres","config":{)" +
         R"("id":"pg-)" + name + R"(","dsn":"postgres://u:canary@127.0.0.1/x","slot":"s","publication":"p"}},)" +
         R"("sinks":[{"type":"blackhole","config":{"id":"hole"}}])" + more + "}}";
}

TEST_F(ApiTest, CreatePatchDelete) {
  Response made = send("POST", "/pipelines", body_of("a"));
  EXPECT_EQ(made.status, 200);
  EXPECT_THAT(made.body, HasSubstr(R"({"name":"a","status":"running","spec":{"metadata":{"name":"a")"));
  EXPECT_EQ(made.body.find("canary"), std::string::npos);
  Response again = send("POST", "/pipelines", body_of("a"));
  EXPECT_EQ(again.status, 409);
  EXPECT_THAT(again.body, HasSubstr(R"("code":"PIPELINE_ALREADY_EXISTS")"));

  Response patched = send("PATCH", "/pipelines/a", R"({"spec":{"batch":{"max_events":7}}})");
  EXPECT_EQ(patched.status, 200);
  EXPECT_THAT(patched.body, HasSubstr(R"("max_events":7)"));
  // What GET shows can be sent back as it is: *** means unchanged.
  const std::string shown = nlohmann::json::parse(ask("GET", "/pipelines/a").body)["spec"].dump();
  const Response same = send("PATCH", "/pipelines/a", shown);
  EXPECT_EQ(same.status, 200) << same.body;
  EXPECT_THAT(world_.specs.load().at(0).spec->source.type, "postgres");

  EXPECT_EQ(ask("DELETE", "/pipelines/a").status, 204);
  EXPECT_EQ(ask("DELETE", "/pipelines/a").status, 404);
  EXPECT_EQ(send("PATCH", "/pipelines/a", "{}").status, 404);
}

TEST_F(ApiTest, AWrongChangeIsRefusedWithAllThatIsWrong) {
  send("POST", "/pipelines", body_of("a"));
  Response wrong = send("PATCH", "/pipelines/a", "spec:\n  batch: {max_events: 0, max_evnts: 1}\n");
  EXPECT_EQ(wrong.status, 400);
  auto body = nlohmann::json::parse(wrong.body);
  EXPECT_EQ(body["code"], "INVALID_CONFIG");
  ASSERT_EQ(body["errors"].size(), 2U);
  EXPECT_EQ(body["errors"][0]["path"], "spec.batch.max_events");
  EXPECT_EQ(body["errors"][0]["line"], 2);
  for (const char* renamed : {R"({"metadata":{"name":"b"}})", R"({"metadata":{"name":"NOT A NAME"}})"})
    EXPECT_THAT(send("PATCH", "/pipelines/a", renamed).body, ::testing::ContainsRegex("NAME_MISMATCH|INVALID_CONFIG"));
  for (const char* nonsense : {"", "[", "[1]", "text", "{}\n---\n{}"})
    EXPECT_THAT(send("PATCH", "/pipelines/a", nonsense).body, HasSubstr(R"("code":"INVALID_BODY")")) << nonsense;
  EXPECT_THAT(send("PATCH", "/pipelines/a", "{spec: {sinks: []}}").body, HasSubstr("INVALID_CONFIG"));
  EXPECT_EQ(ask("GET", "/pipelines/a").body.find(R"("max_events":0)"), std::string::npos);
  for (const char* nonsense : {"", "{", "{}", "a: 1\n---\nb: 2"})
    EXPECT_EQ(send("POST", "/pipelines", nonsense).status, 400) << nonsense;
  EXPECT_EQ(nlohmann::json::parse(ask("GET", "/pipelines").body).size(), 1U);
}

TEST_F(ApiTest, AMaskInANewDocumentStandsForNothing) {
  std::string body = body_of("a");
  body.replace(body.find("canary"), 6, "***");
  for (const char* path : {"/pipelines", "/validate"}) {
    const Response refused = send("POST", path, body);
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(refused.body, HasSubstr("write the value itself"));
  }
}

TEST_F(ApiTest, VariablesOfTheEnvironmentStandInSecretsOnly) {
  std::string body = body_of("a");
  body.replace(body.find("acme"), 4, "${HOME}");
  Response refused = send("POST", "/pipelines", body);
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("metadata.tenant"));
}

TEST_F(ApiTest, Validate) {
  Response good = send("POST", "/validate", body_of("a"));
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.body, R"({"valid":true,"pipeline":"a","source_type":"postgres","sink_count":1,"warnings":[]})");
  Response bad = send("POST", "/validate", "metadata: {name: a, tenant: t}\nspec:\n  source: {type: oracle}\n");
  EXPECT_EQ(bad.status, 400);
  auto body = nlohmann::json::parse(bad.body);
  EXPECT_EQ(body["valid"], false);
  EXPECT_THAT(body["error"].get<std::string>(), HasSubstr("body:3:"));
  EXPECT_GE(body["errors"].size(), 2U);
  EXPECT_TRUE(manager_.list().empty());
}

TEST_F(ApiTest, Checkpoints) {
  send("POST", "/pipelines", body_of("a"));
  world_["a"].status.sinks = {{"hole", "blackhole", true, "attached", {}, R"({"lsn":"0/10","tx_id":7})", 0.25, false}};
  expect(ask("GET", "/pipelines/a/checkpoints"), 200,
         R"([{"sink_id":"hole","position":{"lsn":"0/10","tx_id":7},"age_seconds":0.25}])");
  Response running = ask("DELETE", "/pipelines/a/checkpoint");
  EXPECT_EQ(running.status, 409);
  EXPECT_THAT(running.body, HasSubstr(R"("code":"PIPELINE_RUNNING")"));
  ask("POST", "/pipelines/a/stop");
  EXPECT_EQ(ask("DELETE", "/pipelines/a/checkpoint").status, 204);
  EXPECT_EQ(ask("DELETE", "/pipelines/b/checkpoint").status, 404);
  EXPECT_EQ(ask("GET", "/pipelines/b/checkpoints").status, 404);
}

TEST_F(ApiTest, WhatPipelinesOfThisBuildDoNotHave) {
  send("POST", "/pipelines", body_of("a"));
  for (const char* path : {"/pipelines/a/journal/dlq", "/pipelines/a/journal/dlq/count"})
    EXPECT_THAT(ask("GET", path).body, HasSubstr(R"("code":"DLQ_DISABLED")"));
  EXPECT_THAT(ask("GET", "/pipelines/a/sensing/stats").body, HasSubstr(R"("code":"SENSING_DISABLED")"));
  EXPECT_THAT(ask("GET", "/pipelines/b/journal/dlq").body, HasSubstr(R"("code":"PIPELINE_NOT_FOUND")"));
}

TEST_F(ApiTest, LogLevel) {
  expect(ask("GET", "/log-level"), 200, R"({"level":"info"})");
  expect(send("PUT", "/log-level", R"({"level":"warn"})"), 200, R"({"level":"warn"})");
  for (const char* wrong : {"", "{}", R"({"level":"loud"})", R"({"level":1})", "["})
    EXPECT_EQ(send("PUT", "/log-level", wrong).status, 400) << wrong;
  EXPECT_EQ(send("PUT", "/log-level", R"({"level":"info"})").status, 200);
}

// Each route of the document answers, and each answer that a handler can give is in it.
TEST_F(ApiTest, TheOpenApiDocumentIsTheTableOfRoutes) {
  const auto document = nlohmann::json::parse(ask("GET", "/openapi.json").body);
  std::size_t operations = 0;
  for (const auto& [path, methods] : document["paths"].items()) {
    std::string concrete = path;
    if (auto hole = concrete.find("{name}"); hole != std::string::npos) concrete.replace(hole, 6, "none");
    for (const auto& [method, operation] : methods.items()) {
      ++operations;
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(c & ~0x20);
      const Response response = send(upper, concrete, "");
      EXPECT_NE(response.status, 405) << upper << " " << path;
      EXPECT_EQ(response.body.find("no such route"), std::string::npos) << upper << " " << path;
      EXPECT_EQ(operation.contains("parameters"), concrete != path || (path == "/pipelines" && method == "get"))
          << upper << " " << path;
    }
    EXPECT_EQ(ask("BREW", concrete).status, 405) << path;
  }
  EXPECT_EQ(operations, Api::routes().size());
}

TEST_F(ApiTest, WrongRoutesAndMethods) {
  add(good_document("a", "pg-a"));
  expect(ask("GET", "/nothing"), 404,
         R"({"code":"NOT_FOUND","message":"no such route; GET /openapi.json lists them"})");
  expect(ask("GET", "/pipelinesx"), 404,
         R"({"code":"NOT_FOUND","message":"no such route; GET /openapi.json lists them"})");
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
  Api closed(manager_, components(), Access({}, Reach::others));
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

TEST_F(ApiTest, WithTokensProbesAnswerEverybodyAndTheRestNeedsARole) {
  add(good_document("a", "pg-a"));
  Tokens tokens;
  tokens.add(Role::admin, "an-admin-token-of-32-bytes......", "test");
  tokens.add(Role::read, "a-read-token-of-32-bytes........", "test");
  Api api(manager_, components(), Access(std::move(tokens), Reach::others));
  auto as = [&](const std::string& token, const std::string& method, const std::string& path) {
    Request request{method, path, {}};
    if (!token.empty()) request.authorization = "Bearer " + token;
    return api.handle(request);
  };
  const std::string admin = "an-admin-token-of-32-bytes......", reader = "a-read-token-of-32-bytes........";
  for (const char* probe : {"/health", "/livez", "/ready", "/metrics"}) EXPECT_EQ(as("", "GET", probe).status, 200);
  EXPECT_EQ(as("", "GET", "/ready").body.find("spec"), std::string::npos);
  EXPECT_NE(as(reader, "GET", "/ready").body.find("spec"), std::string::npos);

  Response missing = as("", "GET", "/pipelines"), wrong = as(admin + "x", "GET", "/pipelines/none");
  EXPECT_EQ(missing.status, 401);
  EXPECT_EQ(missing.challenge, "Bearer");
  EXPECT_EQ(missing.body, wrong.body) << "nothing tells a missing token from a wrong one";
  EXPECT_EQ(as(reader, "GET", "/pipelines").status, 200);
  EXPECT_EQ(as(reader, "POST", "/pipelines/a/pause").status, 403);
  EXPECT_EQ(world_["a"].calls.size(), 1U);
  EXPECT_EQ(as(admin, "POST", "/pipelines/a/pause").status, 200);
}

TEST_F(ApiTest, PagesOfOtherSitesSeeNoSpecs) {
  add(good_document("a", "pg-a"));
  Request rebound{"GET", "/ready", {}};
  rebound.host = "attacker.example";
  EXPECT_EQ(api_.handle(rebound).status, 200);
  EXPECT_EQ(api_.handle(rebound).body.find("spec"), std::string::npos);
  rebound.path = "/pipelines";
  EXPECT_EQ(api_.handle(rebound).status, 403);
}

TEST_F(ApiTest, WhatChangesSomethingIsLoggedWithoutItsBody) {
  add(good_document("a", "pg-a"));
  Request request{"POST", "/pipelines/a/pause", {}};
  request.body = "canary-body";
  request.peer = "127.0.0.9";
  obs::flush_log();
  ::testing::internal::CaptureStderr();
  api_.handle(request);
  ask("GET", "/pipelines/a");
  request.origin = "http://elsewhere";
  api_.handle(request);
  obs::flush_log();
  std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr(R"("message":"api","method":"POST","path":"/pipelines/a/pause","status":200,)"
                             R"("role":"admin","peer":"127.0.0.9"})"));
  EXPECT_EQ(std::ranges::count(log, '\n'), 1) << "neither what reads nor what is refused: " << log;
  EXPECT_EQ(log.find("canary"), std::string::npos);
}

}  // namespace
}  // namespace deltaforge::server
