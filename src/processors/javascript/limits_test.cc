// Scripts that want too much: each is stopped, named, and followed by a fresh engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/error.h"
#include "processors/javascript/javascript.h"
#include "processors/testing/batch.h"

namespace deltaforge::processors::javascript {
namespace {

using processors::testing::number;
using processors::testing::TestBatch;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::AnyOf;
using ::testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr milliseconds kSlack{1000};
#else
constexpr milliseconds kSlack{200};  // a busy machine
#endif

struct Outcome {
  std::string error;
  milliseconds took{};
};

Config config_of(const std::string& script) {
  Config config;
  config.id = "hungry";
  config.script = "let seen = 0; function greedy(e) { " + script +
                  " }\nfunction processBatch(all) { if (all[0].after.id == 1) { seen = 1; greedy(all[0]); } "
                  "else all[0].seen = seen; return all; }";
  config.limits = {.cpu_ms = 200, .mem_mb = 64, .timeout_ms = 400};
  return config;
}

Outcome run(JavaScript& processor, int id, TestBatch& batch) {
  batch.insert({number(id)});
  batch.commit();
  const auto begin = steady_clock::now();
  Outcome outcome;
  try {
    processor.process(batch.batch());
  } catch (const Error& error) {
    outcome.error = error.what();
  }
  outcome.took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
  return outcome;
}

class Greedy : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(Greedy, IsStoppedAndNamed) {
  JavaScript processor(config_of(GetParam().second), {.pipeline = "p", .tenant = {}});
  TestBatch first, second;
  const Outcome outcome = run(processor, 1, first);
  EXPECT_THAT(outcome.error, HasSubstr("processor 'hungry'"));
  EXPECT_THAT(outcome.error, AnyOf(HasSubstr("limits.cpu_ms"), HasSubstr("limits.timeout_ms"),
                                   HasSubstr("limits.mem_mb"), HasSubstr("too much recursion"),
                                   HasSubstr("out of memory"), HasSubstr("InternalError"), HasSubstr("nested deeper")));
  EXPECT_LT(outcome.took, milliseconds(400) + kSlack) << outcome.error;
  EXPECT_EQ(run(processor, 2, second).error, "") << "the next call goes on";
  EXPECT_THAT(second.text(0), AnyOf(HasSubstr("\"seen\":0"), HasSubstr("\"seen\":1")));
  std::cout << outcome.took.count() << " ms: " << outcome.error << "\n";
}

INSTANTIATE_TEST_SUITE_P(
    JavaScriptLimits, Greedy,
    ::testing::Values(
        std::pair("Loop", "for (;;) {}"),
        std::pair("CaughtLoop", "for (;;) { try { for (;;) {} } catch (x) {} finally { continue; } }"),
        std::pair("Objects", "const all = []; for (;;) all.push({a: {}, b: []});"),
        std::pair("Strings",
                  "const all = []; for (let i = 0;; ++i) all.push(('x' + i).repeat(10000).split('').join('y'));"),
        std::pair("TypedArrays", "const all = []; for (;;) all.push(new Uint8Array(1000000).fill(1));"),
        std::pair("Recursion", "greedy(e);"), std::pair("Regex", "/^(a+)+$/.test('a'.repeat(40) + 'b');"),
        std::pair("Getter", "e.after = {get x() { for (;;) {} }};"),
        std::pair("Proxy", "e.after = new Proxy({}, {ownKeys() { for (;;) {} }});"),
        std::pair("ToJson", "e.after = {x: {toJSON() { for (;;) {} }}};"),
        std::pair("Sparse", "e.after = {x: new Array(1000000000)};"),
        std::pair("Microtasks", "const f = () => { Promise.resolve().then(f); Promise.resolve().then(f); }; f();"),
        std::pair("Sort",
                  "new Array(3000000).fill(0).map((x, i) => (i * 7919) % 1000003).sort((a, b) => { for (;;) {} });"),
        std::pair("Shared", "const b = 'x'.repeat(1000000); e.after = {x: new Array(1000).fill(b)};"),
        std::pair("Join", "new Array(1e9) + ''"),
        std::pair("Deep", "let o = {}; for (let i = 0; i < 1e5; ++i) o = {o}; e.after = o;")),
    [](const auto& each) { return each.param.first; });

TEST(JavaScriptLimits, AnEventThatIsKeptRefuses) {
  Config config;
  config.script = "let kept; (e) => { if (kept) { kept.after; } kept = e; }";
  JavaScript processor(config, {.pipeline = "p", .tenant = {}});
  TestBatch first, second, third;
  EXPECT_EQ(run(processor, 1, first).error, "");
  EXPECT_THAT(run(processor, 1, second).error, HasSubstr("an event of an earlier call"));
}

TEST(JavaScriptLimits, AnImageThatIsKeptRefuses) {
  Config config;
  config.script = "let kept; (e) => { if (kept) e.after = kept; else kept = e.after; }";
  JavaScript processor(config, {.pipeline = "p", .tenant = {}});
  TestBatch first, second;
  EXPECT_EQ(run(processor, 1, first).error, "");
  EXPECT_THAT(run(processor, 1, second).error, HasSubstr("an event of an earlier call"));
}

// Names of members and symbols, too, though they belong to no object.
TEST(JavaScriptLimits, WhatIsKeptBetweenCallsCounts) {
  for (const char* keep :
       {"all.push(new Uint8Array(3000000).fill(1))", "for (let n = 0; n < 30; ++n) all[long + ++i] = 1",
        "for (let n = 0; n < 30; ++n) all.push(Symbol(long + ++i))"}) {
    Config config = config_of("");
    config.script = "const all = [], long = 'x'.repeat(100000); let i = 0; (e) => { " + std::string(keep) + "; }";
    JavaScript processor(config, {.pipeline = "p", .tenant = {}});
    std::string error;
    for (int call = 0; call < 200 && error.empty(); ++call) {
      TestBatch batch;
      error = run(processor, 1, batch).error;
    }
    EXPECT_THAT(error, HasSubstr("limits.mem_mb")) << keep;
  }
}

// Which the collector has not looked at yet.
TEST(JavaScriptLimits, WhatIsYoungCounts) {
  Config config = config_of("");
  config.script = "(e) => { const all = []; for (;;) all.push(1); }";
  config.limits.cpu_ms = config.limits.timeout_ms = 20000;
  JavaScript processor(config, {.pipeline = "p", .tenant = {}});
  TestBatch batch;
  const Outcome outcome = run(processor, 1, batch);
  EXPECT_THAT(outcome.error, HasSubstr("limits.mem_mb"));
  EXPECT_LT(outcome.took, milliseconds(10000));
}

// A row that is large in a way that makes a script's engine slow.
TEST(JavaScriptLimits, WhatAColumnHoldsIsReadWithinTheLimits) {
  const std::string digits(300000, '9');
  std::string objects = "[{}";
  while (objects.size() < 15'000'000) objects += ",{}";
  for (const std::string& document : {"[" + digits + "]", objects + "]"}) {
    JavaScript processor(config_of("e.after.doc.length;"), {.pipeline = "p", .tenant = {}});
    TestBatch batch;
    batch.insert({number(1), Value::null(), Value::null(), processors::testing::json(document)});
    const Outcome outcome = run(processor, 1, batch);
    EXPECT_NE(outcome.error, "");
    EXPECT_LT(outcome.took, milliseconds(400) + kSlack) << outcome.error;
  }
}

TEST(JavaScriptLimits, AnEndlessScriptDoesNotLoad) {
  Config config = config_of("");
  config.script = "for (;;) {}";
  std::optional<Failure> failure;
  const Script script({.pipeline = "p", .id = "x", .limits = config.limits, .clock = Clock::wall}, config.script,
                      failure);
  ASSERT_TRUE(failure);
  EXPECT_TRUE(failure->is_limit());
}

TEST(JavaScriptConfig, SaysWhatDoesNotLoadAndWhere) {
  const auto message = [](const std::string& source) {
    std::optional<Failure> failure;
    const Script script({.pipeline = "p", .id = "x", .limits = {}, .clock = Clock::wall}, source, failure);
    return failure ? failure->message : "";
  };
  EXPECT_THAT(message("function processBatch(e) {\n  return e.map(;\n}"), HasSubstr("SyntaxError"));
  EXPECT_THAT(message("function processBatch(e) {\n  return e.map(;\n}"), HasSubstr("line 2, column 16"));
  EXPECT_THAT(message("function process(e) {}"), HasSubstr("no entry"));
  EXPECT_THAT(message("throw new Error('at once')"), HasSubstr("at once"));
  EXPECT_EQ(message("(e) => [e]"), "");

  const auto at = [](const char* line, const char* column) {
    return ::testing::EndsWith(std::string(", in line ") + line + ", column " + column + " of the script");
  };
  const std::string lines = "// Umläute: äöü\nconst b = 2;\n";
  EXPECT_THAT(message(lines + "  async function processBatch(e) { return e; }\n"), at("3", "3"));
  EXPECT_THAT(message(lines + "/* ä */ function* processBatch(e) {}\nconst c = 3;"), at("3", "9"));
  EXPECT_THAT(message("async function*\n processBatch\n(e) {}"), at("1", "1"));
  EXPECT_THAT(message("\n class processBatch {\n constructor() {} }"), at("2", "2"));
  EXPECT_THAT(message("\n class processBatch {\n}"), at("2", "2"));
  EXPECT_THAT(message("let x;\nconst processBatch = async (e) => e;\n"), at("2", "22"));
  EXPECT_THAT(message("\nlet y;\n  async (e) => [e]\n"), at("3", "3"));
  const std::string twin = "async function processBatch(e) {}";
  EXPECT_THAT(message("// not " + twin + "\n" + twin + "\n// nor " + twin), at("2", "1")) << "but its text is";
  EXPECT_THAT(message("const processBatch = new Proxy(async (e) => e, {});\n\n"), at("1", "52"))
      << "of which there is no text: the end";

  EXPECT_THAT(message("function process(e) {}"), at("1", "23")) << "where it should have been";
  EXPECT_THAT(message("function process(e) {\n}\n7; // ä\n\n  \n"), at("3", "8"));
  EXPECT_THAT(message("const processBatch = 7;"), at("1", "24"));
  EXPECT_THAT(message(" \n"), at("1", "1"));
}

}  // namespace
}  // namespace deltaforge::processors::javascript
