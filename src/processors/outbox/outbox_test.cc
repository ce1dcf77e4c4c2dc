#include "processors/outbox/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "config/parse.h"
#include "core/outbox.h"
#include "processors/testing/batch.h"

namespace deltaforge::processors::outbox {
namespace {

using ::testing::HasSubstr;
using testing::json;
using testing::number;
using testing::TestBatch;
using testing::text;

// Rows of public.orders(id, status, total, doc, tags) as an outbox.
class OutboxTest : public ::testing::Test {
 protected:
  OutboxTest() {
    config_.columns = {"doc", "status", "id", "total", "tags", "id"};
    batch_.schema().schema = kOutboxSchema;
  }

  const Event& run() {
    batch_.commit();
    outbox_ = std::make_unique<Outbox>(config_, ProcessorContext{"p", ""});
    outbox_->process(batch_.batch());
    return batch_.batch().event(0);
  }
  std::string header(const Event& event, std::string_view name) {
    for (const Header& each : event.extra->headers)
      if (each.name == name) return std::string(each.value);
    return "none";
  }
  static config::Template column(const std::string& name) { return config::Template("${after." + name + "}"); }

  Config config_;
  std::unique_ptr<Outbox> outbox_;  // as long as the batch: it owns what events point at
  TestBatch batch_;
};

std::string problems(const std::string& fields) {
  Config config;
  config::Report report;
  const auto documents = config::parse("type: outbox\n" + fields, "p.yaml", report);
  if (!documents.empty()) {
    Config::spec().parse(documents[0].root, config, report);
    config.check(documents[0].root, report);
  }
  return report.text();
}

TEST(OutboxConfig, ATopicThatNoSinkTakesIsRefused) {
  for (const char* field : {"topic", "default_topic"}) {
    for (const char* bad : {"a b${x}", "a.*", "a..${x}", "${x}."})
      EXPECT_THAT(problems(std::string(field) + ": '" + bad + "'\n"),
                  HasSubstr(std::string(field) + ": every event would be refused: it has a"))
          << bad;
    for (const char* good : {"a", "orders.${x}", "${x}.${y.z}"})
      EXPECT_EQ(problems(std::string(field) + ": '" + good + "'\n"), "") << good;
  }
}

TEST_F(OutboxTest, MakesTheEventThatWasMeant) {
  config_.topic = column("status");
  config_.additional_headers = {{"x-tags", "tags"}, {"x-doc", "doc"}};
  batch_.insert({number(7), text("Order"), testing::decimal("1.50"), json("{\"a\":\n [1]}"), text("t")});
  const Event& event = run();
  EXPECT_EQ(event.extra->topic, "Order");
  EXPECT_EQ(event.extra->key, "7");
  EXPECT_EQ(header(event, "df-event-id"), "7");
  EXPECT_EQ(header(event, "df-aggregate-type"), "Order");
  EXPECT_EQ(header(event, "df-event-type"), "1.50");
  EXPECT_EQ(header(event, "df-source-kind"), "outbox");
  EXPECT_EQ(header(event, "x-tags"), "t");
  EXPECT_EQ(header(event, "x-doc"), "none") << "an object is no header";
  EXPECT_THAT(batch_.text(0), HasSubstr("\"after\":{\"a\":  [1]},")) << "on one line";
  EXPECT_TRUE(event.schema->schema.empty());
  EXPECT_EQ(event.schema->full_name, batch_.schema().full_name) << "and with it the id";
}

TEST_F(OutboxTest, TopicsFallBack) {
  config_.topic = column("status");
  config_.default_topic = config::Template("rest");
  batch_.insert({number(1), Value::null(), Value::null(), json("1"), text("own")});
  batch_.insert({number(2), text(""), Value::null(), json("1"), Value::null()});
  EXPECT_EQ(run().extra->topic, "own");
  EXPECT_EQ(batch_.batch().event(1).extra->topic, "rest");
}

TEST_F(OutboxTest, PayloadsOfAnyKind) {
  for (const auto& [value, wanted] :
       std::initializer_list<std::pair<Value, std::string>>{{text(R"({ "b" : true })"), R"({"b":true})"},
                                                            {text("plain"), R"("plain")"},
                                                            {number(5), "5"},
                                                            {json("[1]"), "[1]"},
                                                            {json("null"), R"({"id":1,)"},
                                                            {Value::null(), R"({"id":1,)"}}) {
    TestBatch batch;
    batch.schema().schema = kOutboxSchema;
    batch.insert({number(1), Value::null(), Value::null(), value, Value::null()});
    batch.commit();
    Outbox outbox(config_, {"p", ""});
    outbox.process(batch.batch());
    EXPECT_THAT(batch.text(0), HasSubstr("\"after\":" + wanted));
  }
}

TEST_F(OutboxTest, OthersPassAndWhatIsNoInsertIsDropped) {
  batch_.insert({number(1), Value::null(), Value::null(), json("1"), Value::null()});
  batch_.remove({number(1), Value::null(), Value::null(), json("1"), Value::null()});
  config_.tables = {config::TablePattern("others")};
  EXPECT_EQ(run().extra, nullptr);
  EXPECT_EQ(batch_.left().size(), 2U);
  config_.tables = {config::TablePattern("ord*")};
  EXPECT_NE(run().extra, nullptr);
  EXPECT_EQ(batch_.left().size(), 1U);
}

TEST_F(OutboxTest, WithoutAnIdItHasOurs) {
  config_.columns.event_id = "nowhere";
  batch_.insert({number(7), text("Order"), Value::null(), json(R"("{\"a\":1}")"), Value::null()});
  const Event& event = run();
  EXPECT_THAT(batch_.text(0), HasSubstr("\"event_id\":\"" + header(event, "df-event-id") + "\""));
  EXPECT_THAT(batch_.text(0), HasSubstr(R"("after":{"a":1},)")) << "text that holds JSON is JSON";
}

TEST_F(OutboxTest, StrictNamesAllThatIsMissing) {
  config_.strict = true;
  batch_.insert({number(1), text("Order"), Value::null(), Value::null(), Value::null()});
  try {
    run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("lacks topic, doc, total"));
  }
}

TEST_F(OutboxTest, WhatFailsIsADeadLetterOrDropped) {
  config_.strict = true;
  batch_.insert({number(1), text("Order"), Value::null(), Value::null(), Value::null()});
  batch_.commit();
  std::vector<std::string> set_aside;
  ProcessorContext context{"p", ""};
  context.set_aside = [&](const Batch& batch, std::uint32_t event, std::string reason) {
    EXPECT_EQ(batch.event(event).extra, nullptr) << "as it came in";
    set_aside.push_back(reason);
  };
  config_.on_error = OnError::drop;
  Outbox(config_, context).process(batch_.batch());
  EXPECT_TRUE(batch_.batch().event(0).dropped);
  EXPECT_TRUE(set_aside.empty());
  batch_.batch().event(0).dropped = false;
  config_.on_error = OnError::dlq;
  Outbox(config_, context).process(batch_.batch());
  EXPECT_TRUE(batch_.batch().event(0).dropped);
  ASSERT_EQ(set_aside.size(), 1U);
  EXPECT_THAT(set_aside[0], HasSubstr("lacks topic, doc, total"));
}

TEST_F(OutboxTest, ALenientOneDropsUnlessThereIsAJournal) {
  Event& event = batch_.insert({number(1), text("Order"), Value::null(), Value::null(), Value::null()});
  Extra extra;
  extra.after = "[1]";
  event.extra = &extra;
  batch_.commit();
  std::vector<std::string> set_aside;
  ProcessorContext context{"p", ""};
  Outbox(config_, context).process(batch_.batch());
  EXPECT_TRUE(batch_.batch().event(0).dropped);
  batch_.batch().event(0).dropped = false;
  context.set_aside = [&](const Batch&, std::uint32_t, std::string reason) { set_aside.push_back(reason); };
  Outbox(config_, context).process(batch_.batch());
  EXPECT_TRUE(batch_.batch().event(0).dropped);
  ASSERT_EQ(set_aside.size(), 1U);
  EXPECT_THAT(set_aside[0], HasSubstr("non_object"));
}

}  // namespace
}  // namespace deltaforge::processors::outbox
