#include "processors/mask/mask.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/parse.h"
#include "core/event_id.h"
#include "encode/field.h"
#include "encode/key.h"
#include "processors/testing/batch.h"

namespace deltaforge::processors::mask {
namespace {

using testing::decimal;
using ::testing::HasSubstr;
using testing::json;
using ::testing::Not;
using testing::number;
using testing::TestBatch;
using testing::text;

// printf '%s' paid | openssl dgst -sha256 -hmac secret
constexpr std::string_view kPaid = "0e170eaf8c178b1864e376fb76e78e55dcbb513b01223da8004bd183256ee99a";

struct Read {
  Config config;
  std::string problems;
  std::string echo;
};

Read read(const std::string& rules) {
  Read result;
  config::Report report;
  const auto documents = config::parse("type: mask\nrules:\n" + rules, "p.yaml", report);
  if (!documents.empty()) {
    Config::spec().parse(documents[0].root, result.config, report);
    result.config.check(documents[0].root, report);
  }
  config::Echo echo;
  Config::spec().echo(result.config, echo);
  result.echo = echo.text();
  result.problems = report.text();
  return result;
}

// Rows of public.orders(id, status, total, doc, tags).
class MaskTest : public ::testing::Test {
 protected:
  void run(const std::string& rules) {
    const Read it = read(rules);
    ASSERT_EQ(it.problems, "");
    if (batch_.batch().commits().empty()) batch_.commit();
    masks_.push_back(std::make_unique<Mask>(it.config, ProcessorContext{"p", ""}));
    masks_.back()->process(batch_.batch());
  }
  // What stands in the event of row `index` behind `"name":`, up to the next member.
  std::string image(const std::string& name, std::uint32_t index = 0) {
    const std::string all = batch_.text(index),
                      begin = "\"" + name + "\":", end = name == "before" ? ",\"after\"" : ",\"source\"";
    const std::size_t at = all.find(begin) + begin.size();
    return all.substr(at, all.find(end) - at);
  }
  std::string after(std::uint32_t index = 0) { return image("after", index); }
  std::string key(std::uint32_t index = 0) {
    Slab out;
    EXPECT_EQ(encode::append_key(batch_.batch().event(index), out), "");
    return std::string(out.view());
  }
  // The `status` of a row that a rule was for, as it came, and as a processor before it wrote it.
  std::string masked(const std::string& rule, const Value& value) {
    TestBatch batch;
    batch.insert({number(1), value, Value::absent(), Value::absent(), Value::absent()});
    batch.insert({number(1), value, Value::absent(), Value::absent(), Value::absent()});
    batch.commit();
    const std::string all = batch.text(1);
    const std::size_t at = all.find(R"("after":)") + 8;
    Extra extra;
    extra.after = batch.pages().copy(all.substr(at, all.find(R"(,"source":)") - at));
    batch.batch().event(1).extra = &extra;
    Mask mask(read("- {columns: [status], " + rule + "}").config, {"p", ""});
    mask.process(batch.batch());
    const auto status = [&](std::uint32_t index) {
      const std::string text = batch.text(index), begin = R"("after":{"id":1,"status":)";
      const std::size_t from = text.find(begin) + begin.size();
      return text.substr(from, text.find(R"(},"source":)") - from);
    };
    EXPECT_EQ(status(0), status(1)) << "a value is masked alike on all ways";
    return status(0);
  }

  TestBatch batch_;
  std::vector<std::unique_ptr<Mask>> masks_;  // as long as the batch: they own what events point at
};

TEST_F(MaskTest, HashesBothImages) {
  batch_.update({number(1), text("paid"), Value::null(), Value::absent(), Value::unchanged()},
                {number(1), text("paid"), Value::null(), Value::absent(), Value::unchanged()});
  batch_.remove({number(1), text("paid")});
  run("- {columns: [status, total, doc, tags], action: hash, key: secret}");
  const std::string masked =
      R"({"id":1,"status":")" + std::string(kPaid) + R"(","total":null,"tags":{"_unchanged":true}})";
  EXPECT_EQ(image("before"), masked);
  EXPECT_EQ(after(), masked);
  EXPECT_THAT(image("before", 1), HasSubstr(kPaid));
}

TEST_F(MaskTest, TheFirstRuleForATableAndAColumnCounts) {
  batch_.insert({number(1), text("paid"), decimal("1.50"), json("{}"), Value::null()});
  run("- {tables: [other.*], columns: ['*'], action: drop}\n"
      "- {tables: [public.ord*], columns: ['s*', total], action: redact}\n"
      "- {columns: ['*t*'], action: redact, to: ''}\n");
  EXPECT_EQ(after(), R"({"id":1,"status":"***","total":"***","doc":{},"tags":null})");
}

TEST_F(MaskTest, OtherTablesStay) {
  const Event& event = batch_.insert({number(1), text("paid")});
  run("- {tables: [other], columns: ['*'], action: drop}\n- {columns: [nowhere], action: drop}");
  EXPECT_EQ(event.schema, &batch_.schema());
  EXPECT_THAT(after(), HasSubstr(R"("status":"paid")"));
}

TEST_F(MaskTest, EqualValuesHaveEqualHashes) {
  const std::string rule = "action: hash, key: secret", paid = '"' + std::string(kPaid) + '"';
  EXPECT_EQ(masked(rule, text("paid")), paid);
  EXPECT_EQ(masked(rule, json(R"( "\u0070aid" )")), paid);
  EXPECT_EQ(masked(rule, number(17)), masked(rule, decimal("17")));
  EXPECT_EQ(masked(rule, number(17)), masked(rule, json("17")));
  EXPECT_EQ(masked(rule, Value::of_text(Kind::bytes, "\x01")), masked(rule, text("AQ==")));
  const Value items[] = {number(1), text("a")};
  EXPECT_EQ(masked(rule, Value::array(items)), masked(rule, text(R"([1,"a"])")));
  EXPECT_EQ(masked(rule, json("{\"a\":\n1}")), masked(rule, text(R"({"a": 1})")));
  EXPECT_EQ(masked(rule, Value::boolean(true)), masked(rule, text("true")));
  EXPECT_EQ(masked(rule, Value::of_text(Kind::date, "2024-02-29")), masked(rule, text("2024-02-29")));
  EXPECT_EQ(masked(rule, json(R"({"_base64":"a","b":1})")), masked(rule, text(R"({"_base64":"a","b":1})")));
  EXPECT_EQ(masked(rule, json("null")), "null");
  EXPECT_NE(masked("action: hash, key: other", text("paid")), paid);
  EXPECT_NE(masked(rule, text("open")), paid);
}

TEST_F(MaskTest, WhatCannotBePrintedIsNotLetThrough) {
  const std::string rule = "action: hash, key: secret";
  EXPECT_THAT(masked(rule, json(R"("\ud800clear")")), Not(HasSubstr("clear")));
  const Value items[] = {text("clear\xff")};
  TestBatch batch;
  batch.insert({number(1), Value::array(items)});
  batch.commit();
  Mask mask(read("- {columns: [status], action: hash, key: k}").config, {"p", ""});
  mask.process(batch.batch());
  EXPECT_THAT(batch.text(0), HasSubstr("is not valid UTF-8")) << "refused, as without a mask";
}

TEST_F(MaskTest, Redacts) {
  EXPECT_EQ(masked("action: redact", number(5)), R"("***")");
  EXPECT_EQ(masked("action: redact, to: 'gone \"ü\"'", json("{}")), R"("gone \"ü\"")");
  EXPECT_EQ(masked("action: redact", Value::null()), "null");
}

TEST_F(MaskTest, TruncatesText) {
  const std::string rule = "action: truncate, length: 3";
  EXPECT_EQ(masked(rule, text("paid")), R"("pai")");
  EXPECT_EQ(masked(rule, text("ab")), R"("ab")");
  EXPECT_EQ(masked(rule, text("aü€x")), R"("aü€")") << "characters, not bytes";
  EXPECT_EQ(masked(rule, json(R"({"a": 1})")), R"("{\"a")");
  EXPECT_EQ(masked(rule, json(R"("paid")")), R"("pai")");
  EXPECT_EQ(masked("action: truncate, length: 0", text("paid")), R"("")");
  for (const Value& other : {number(12345), Value::boolean(true), Value::float64(1.5), json("17"), Value::null()})
    EXPECT_EQ(masked(rule, other), "null");
}

TEST_F(MaskTest, TruncatesBytesAndNothingElse) {
  batch_.insert({number(1), Value::of_text(Kind::bytes, "\x01\x02"), decimal("123.45"),
                 Value::of_text(Kind::date, "2024-02-29")});
  run("- {columns: [status, total, doc], action: truncate, length: 1}");
  EXPECT_EQ(after(), R"({"id":1,"status":{"_base64":"AQ=="},"total":null,"doc":null,"tags":null})");
}

TEST_F(MaskTest, DropsAndRenames) {
  batch_.update({number(1), text("open"), decimal("1")}, {number(1), text("paid"), decimal("2")});
  run("- {columns: [id, total], action: drop}\n- {columns: [status], action: rename, to: state}");
  EXPECT_EQ(image("before"), R"({"state":"open","doc":null,"tags":null})");
  EXPECT_EQ(after(), R"({"state":"paid","doc":null,"tags":null})");
  const Event& event = batch_.batch().event(0);
  EXPECT_TRUE(event.schema->key.empty());
  EXPECT_FALSE(encode::FieldPath("status").find(event, encode::Side::after));
  EXPECT_EQ(encode::FieldPath("state").find(event, encode::Side::after)->as_text(), "paid");
}

TEST_F(MaskTest, TheKeyIsMasked) {
  batch_.schema().key = {4, 1, 0};
  const Event& event = batch_.insert({number(1), text("paid"), decimal("1"), json("{}"), text("t")});
  batch_.commit();
  const EventId id = event_id(batch_.batch().commits()[0], event);
  run("- {columns: [id], action: drop}\n- {columns: [status], action: hash, key: secret}\n"
      "- {columns: [tags], action: rename, to: tag}");
  EXPECT_EQ(key(), R"({"tag":"t","status":")" + std::string(kPaid) + R"("})");
  EXPECT_EQ(event_id(batch_.batch().commits()[0], event), id) << "ids follow from the place in the log";
}

TEST_F(MaskTest, ShapesAreMadeOnce) {
  const Event& first = batch_.insert({number(1), text("paid")});
  const Event& second = batch_.insert({number(2), text("open")});
  run("- {columns: [status], action: drop}");
  EXPECT_EQ(first.schema, second.schema);
  EXPECT_EQ(first.schema->columns.size(), 4U);
  EXPECT_NE(first.schema->id, batch_.schema().id) << "encoders know shapes by it";
  EXPECT_EQ(first.schema->name_hash, batch_.schema().name_hash);
}

TEST_F(MaskTest, WhatAProcessorWroteIsMaskedToo) {
  Extra extra;
  extra.before = "null";
  extra.after =
      R"({"id":1,"st\u0061tus":"pa\u0069d","doc__mail":"a@b","total":{"_unchanged":true},"n":[1, 2],"tags":"t"})";
  extra.key = "k";
  batch_.insert({number(1), text("paid")}).extra = &extra;
  run("- {columns: [status], action: hash, key: secret}\n- {columns: ['doc_*', total], action: redact}\n"
      "- {columns: [tags], action: drop}\n- {columns: [id], action: rename, to: number}");
  EXPECT_EQ(after(), R"({"number":1,"st\u0061tus":")" + std::string(kPaid) +
                         R"(","doc__mail":"***","total":{"_unchanged":true},"n":[1, 2]})");
  EXPECT_EQ(batch_.batch().event(0).extra->key, "k");
  EXPECT_EQ(key(), "1") << "and what lies below it";
  EXPECT_EQ(batch_.batch().event(0).after.values[1].as_text(), kPaid);
}

TEST_F(MaskTest, ANewMemberOfAnUntouchedTable) {
  Extra extra;
  extra.after = R"({"doc__mail":"a@b"})";
  batch_.insert({number(1), text("paid")}).extra = &extra;
  run("- {columns: [doc__mail], action: redact}");
  EXPECT_EQ(after(), R"({"doc__mail":"***"})");
  EXPECT_EQ(batch_.batch().event(0).schema, &batch_.schema());
}

TEST_F(MaskTest, ANameThatIsTakenIsAnError) {
  batch_.insert({number(1), text("paid")});
  try {
    run("- {columns: [status], action: rename, to: doc}");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_THAT(error.what(), HasSubstr(R"(column "status" of table public.orders is to become "doc")"));
  }
  Extra extra;
  extra.after = R"({"a":1,"status":2})";
  batch_.batch().event(0).extra = &extra;
  EXPECT_THROW(run("- {columns: [a], action: rename, to: status}\n- {columns: [status], action: redact}"), Error);
  EXPECT_NO_THROW(run("- {columns: [status], action: rename, to: a}\n- {columns: [a], action: drop}"));
  EXPECT_EQ(after(), R"({"a":2})");
}

TEST_F(MaskTest, DroppedEventsAndTruncateStay) {
  Event& event = batch_.insert({number(1), text("paid")});
  event.dropped = true;
  Event& truncate = batch_.insert({});
  truncate.op = Op::truncate;
  truncate.after = {};
  run("- {columns: [status], action: drop}");
  EXPECT_EQ(event.schema, &batch_.schema());
  EXPECT_EQ(after(1), "null");
}

TEST(MaskConfig, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"- {columns: [a], action: hash}", "p.yaml:3:26: rules[0].action: hash needs a `key`"},
      {"- {columns: [a], action: hash, key: ''}", "rules[0].key: out of range"},
      {"- {columns: [a], action: drop, key: k}", "p.yaml:3:37: rules[0].key: it goes with hash only"},
      {"- {columns: [a], action: hash, key: k, to: b}", "rules[0].to: it goes with redact and rename only"},
      {"- {columns: [a], action: redact, length: 3}", "rules[0].length: it goes with truncate only"},
      {"- {columns: [a], action: truncate}", "rules[0].action: truncate needs a `length`"},
      {"- {columns: [a], action: truncate, length: -1}", "rules[0].length: out of range: -1"},
      {"- {columns: [a], action: rename}", "rules[0].action: rename needs a name in `to`"},
      {"- {columns: [a], action: rename, to: ''}", "rules[0].to: rename needs a name"},
      {"- {columns: [a, b], action: rename, to: c}", "rules[0].columns: rename takes one column"},
      {"- {columns: ['a*'], action: rename, to: c}", "rules[0].columns: rename takes one column"},
      {"- {columns: [], action: drop}", "rules[0].columns: required field is empty"},
      {"- {columns: [''], action: drop}", "rules[0].columns[0]: column pattern '': an empty name"},
      {"- {action: drop}", "rules[0].columns: required"},
      {"- {columns: [a], action: erase}", "rules[0].action: "},
      {"- {columns: [a], action: drop}\n- {tables: [t], columns: [b, a], action: redact}",
       "p.yaml:4:30: rules[1].columns[1]: rules[0] is for 'a' already"},
      {"- {tables: [t], columns: ['*'], action: redact}\n- {tables: [t], columns: ['x*'], action: drop}",
       "rules[1].columns[0]: rules[0] is for 'x*' already"},
      {"- {colums: [a], columns: [b], action: drop}", "did you mean 'columns'"},
      {"  []", "rules: required field is empty"},
  };
  for (const auto& [rules, problem] : cases) EXPECT_THAT(read(rules).problems, HasSubstr(problem)) << rules;
  EXPECT_EQ(read("- {columns: [a], action: drop}\n- {columns: ['*'], action: redact}").problems, "");
  EXPECT_EQ(read("- {tables: [t], columns: [a], action: drop}\n- {columns: [a], action: redact}").problems, "");
}

TEST(MaskConfig, TheEchoHidesTheKey) {
  const Read it = read("- {columns: [a], action: hash, key: canary}");
  EXPECT_EQ(it.problems, "");
  EXPECT_THAT(it.echo, Not(HasSubstr("canary")));
  EXPECT_THAT(it.echo, HasSubstr(R"("key":"***")"));
}

}  // namespace
}  // namespace deltaforge::processors::mask
