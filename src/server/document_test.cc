#include "server/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.h"
#include "server/components.h"

namespace deltaforge::server {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kSource =
    "  source: {type: postgres, config: {id: pg, dsn: 'postgres://u:hunter2@127.0.0.1/shop', slot: s, publication: "
    "p}}\n";

// `rest` is what follows `spec.source`, indented by two.
Document check(const std::string& rest, const std::string& head = "metadata: {name: shop, tenant: acme}\n") {
  config::Report syntax;
  config::ParseOptions options;
  options.environment = [](std::string_view) { return std::nullopt; };
  auto documents = config::parse(head + "spec:\n" + std::string(kSource) + rest, "pipe.yaml", syntax, options);
  EXPECT_TRUE(syntax.ok()) << syntax.text();
  return check_document(documents.at(0).root, "pipe.yaml", components());
}

const std::string kSink = "  sinks: [{type: blackhole, config: {id: hole}}]\n";

TEST(Document, AValidOneIsAPipelineSpec) {
  Document document = check(
      "  sinks:\n"
      "    - {type: blackhole, config: {id: hole, required: false}}\n"
      "    - {type: stdout, config: {id: out}}\n"
      "  batch: {max_events: 7}\n"
      "  commit_policy: {mode: quorum, quorum: 2}\n");
  ASSERT_TRUE(document.spec) << document.problems.text();
  EXPECT_EQ(document.name, "shop");
  EXPECT_EQ(document.file, "pipe.yaml");
  EXPECT_EQ(document.spec->name, "shop");
  EXPECT_EQ(document.spec->tenant, "acme");
  EXPECT_EQ(document.spec->source.type, "postgres");
  EXPECT_EQ(document.spec->source.id, "pg");
  ASSERT_EQ(document.spec->sinks.size(), 2U);
  EXPECT_EQ(document.spec->sinks[0].id, "hole");
  EXPECT_FALSE(document.spec->sinks[0].required);
  EXPECT_TRUE(document.spec->sinks[1].required);
  EXPECT_EQ(document.spec->batch.max_events, 7);
  EXPECT_EQ(document.spec->commit_policy.mode, pipeline::CommitMode::quorum);
  EXPECT_EQ(document.spec->commit_policy.quorum, 2);
  EXPECT_TRUE(document.warnings.ok()) << document.warnings.text();
}

TEST(Document, DefaultsOfTheContract) {
  Document document = check(kSink);
  ASSERT_TRUE(document.spec) << document.problems.text();
  const auto& batch = document.spec->batch;
  EXPECT_EQ(batch.max_events, 2000);
  EXPECT_EQ(batch.max_bytes.count, 16'777'216U);
  EXPECT_EQ(batch.max_ms.count, 50);
  EXPECT_TRUE(batch.respect_source_tx);
  EXPECT_EQ(batch.max_inflight, 1);
  EXPECT_EQ(document.spec->commit_policy.mode, pipeline::CommitMode::required);
}

TEST(Document, TheEchoShowsDefaultsAndNoSecret) {
  Document document = check(kSink, "metadata: {name: shop, tenant: acme, labels: {env: dev}}\n");
  EXPECT_THAT(document.echo, HasSubstr(R"({"metadata":{"name":"shop","tenant":"acme","labels":{"env":"dev"})"));
  EXPECT_THAT(document.echo, HasSubstr(R"("source":{"type":"postgres","config":{"id":"pg")"));
  EXPECT_THAT(document.echo, HasSubstr(R"("processors":[],"sinks":[{"type":"blackhole","config":{"id":"hole")"));
  EXPECT_THAT(document.echo, HasSubstr(R"("batch":{"max_events":2000)"));
  EXPECT_THAT(document.echo, HasSubstr(R"("commit_policy":{"mode":"required")"));
  EXPECT_THAT(document.echo, HasSubstr("***"));
  EXPECT_EQ(document.echo.find("hunter2"), std::string::npos);
}

TEST(Document, AMissingIdIsDerivedAndWarnedAbout) {
  Document document = check("  sinks: [{type: blackhole, config: {}}, {type: blackhole, config: {}}]\n");
  ASSERT_TRUE(document.spec) << document.problems.text();
  EXPECT_EQ(document.spec->sinks[0].id, "blackhole-0");
  EXPECT_EQ(document.spec->sinks[1].id, "blackhole-1");
  EXPECT_EQ(document.warnings.problems().size(), 2U);
  EXPECT_EQ(document.warnings.problems()[0].text(),
            "pipe.yaml:4:37: sinks[0].config: warning: no id, 'blackhole-0' is used; positions are stored under it, so "
            "give it a fixed one");
  EXPECT_THAT(document.echo, HasSubstr(R"("id":"blackhole-1")"));
}

TEST(Document, AcceptedAndUnused) {
  Document document = check(kSink +
                            "  sharding: {mode: hash, count: 4, key: id}\n"
                            "  connection_policy: {default_mode: shared}\n"
                            "  schema_sensing: {enabled: false, sampling: {sample_rate: 5}}\n"
                            "  journal: {dlq: {max_entries: 5}}\n"
                            "  processors: []\n");
  EXPECT_TRUE(document.spec) << document.problems.text();
  EXPECT_EQ(document.warnings.text(),
            "pipe.yaml:5:13: sharding: warning: accepted and not used; remove it\n"
            "pipe.yaml:6:22: connection_policy: warning: accepted and not used; remove it\n");
}

TEST(Document, ABadNameGivesWayToTheFile) {
  EXPECT_EQ(check(kSink, "metadata: {name: ../shop, tenant: acme}\n").name, "pipe.yaml");
  EXPECT_EQ(check(kSink, "metadata: {tenant: acme}\n").name, "pipe.yaml");
  EXPECT_EQ(check("", "metadata: {name: shop, tenant: acme}\n").name, "shop") << "wrong, but its name is good";
}

TEST(Document, NamesOfPipelines) {
  for (const std::string& good : std::vector<std::string>{"a", "0", "a.b_c-d", std::string(63, 'x')})
    EXPECT_TRUE(check(kSink, "metadata: {name: '" + good + "', tenant: acme}\n").spec) << good;
  for (const std::string& bad :
       std::vector<std::string>{"", "A", "-a", ".a", "_a", "a/b", "a b", "\xC3\xA4", std::string(64, 'x')})
    EXPECT_FALSE(check(kSink, "metadata: {name: '" + bad + "', tenant: acme}\n").spec) << bad;
}

TEST(Document, WhatTheApiShowsOfABrokenOne) {
  Document document = check("  sinks: []\n  batch: {max_event: 1}\n");
  EXPECT_EQ(document.error().kind, "config");
  EXPECT_THAT(document.error().message, HasSubstr("pipe.yaml:4:10: sinks: required field is empty (and 1 more)"));
  EXPECT_EQ(check("  sinks: [{type: s3, config: {id: r}}]\n").error().kind, "unsupported");
  EXPECT_EQ(check("  sinks: [{type: s3, config: {id: r}}]\n  batch: {max_event: 1}\n").error().kind, "config");
}

}  // namespace
}  // namespace deltaforge::server
