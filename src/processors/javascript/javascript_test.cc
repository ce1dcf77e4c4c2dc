// The processor over batches that a test fills: what comes out, in the bytes that a sink would write.
#include "processors/javascript/javascript.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/error.h"
#include "core/event_id.h"
#include "obs/log.h"
#include "processors/testing/batch.h"

namespace deltaforge::processors::javascript {
namespace {

using processors::testing::decimal;
using processors::testing::json;
using processors::testing::number;
using processors::testing::TestBatch;
using processors::testing::text;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Config config_of(std::string script) {
  Config config;
  config.id = "js";
  config.script = std::move(script);
  config.limits.cpu_ms = 5'000;  // a slow machine, and sanitizers
  config.limits.timeout_ms = 20'000;
  return config;
}

void run(TestBatch& batch, const Config& config, std::size_t copiers = 0) {
  JavaScript processor(config, {.pipeline = "p", .tenant = {}, .copiers = copiers});
  processor.process(batch.batch());
}
void run(TestBatch& batch, const std::string& script) { run(batch, config_of(script)); }

std::string body(const std::string& statements) {
  return "function processBatch(events) { for (const e of events) { " + statements + " } return events; }";
}

std::string failure_of(TestBatch& batch, const Config& config) {
  try {
    run(batch, config);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}
std::string failure_of(TestBatch& batch, const std::string& script) { return failure_of(batch, config_of(script)); }

// What the native event of a script's changes to one row is.
std::string changed(const std::string& statements) {
  TestBatch batch;
  batch.insert(
      {number(1), text("new"), decimal("1.50"), json(R"({"a":{"b":1.0}, "big":9007199254740993})"), text("x")});
  batch.commit();
  run(batch, body(statements));
  return batch.text(0);
}
std::string after(const std::string& statements) {
  const std::string all = changed(statements);
  const std::size_t from = all.find(R"("after":)");
  return all.substr(from + 8, all.find(R"(,"source")") - from - 8);
}

constexpr auto kAfter =
    R"({"id":1,"status":"new","total":"1.50","doc":{"a":{"b":1.0}, "big":9007199254740993},"tags":"x"})";

// Reading the columns of an image for the first time while what the script left is collected.
TEST(JavaScript, ImagesThatNobodyHasReadMayStandForOthers) {
  TestBatch batch;
  for (int i = 0; i < 900; ++i)
    batch.update({number(i), text("a"), decimal("1"), json(R"({"n":[1]})"), text("x")},
                 {number(i), text("b"), decimal("2"), json(R"({"n":[2]})"), text("y")});
  batch.commit();
  run(batch,
      "function processBatch(all) { for (const e of all) { e.after.status; e.before = e.after; "
      "e.after = all[0].after; } return all; }");
  EXPECT_THAT(batch.text(899), HasSubstr(R"({"before":{"id":899,"status":"b","total":"2","doc":{"n":[2]},"tags":"y"},)"
                                         R"("after":{"id":0,"status":"b",)"));
}

TEST(JavaScript, AnImageThatIsAListStaysOne) {
  TestBatch batch;
  Extra extra;
  extra.after = "[1, {\"a\": 2}]";
  batch.insert({number(1), text("a"), decimal("1"), json("1"), text("x")}).extra = &extra;
  batch.commit();
  run(batch, "e => { e.after[1].a; return e; }");
  EXPECT_THAT(batch.text(0), HasSubstr(R"("after":[1, {"a": 2}],)"));
}

TEST(JavaScript, ACopyGoesWhereItsEventGoes) {
  TestBatch batch;
  Extra extra;
  extra.topic = "t";
  extra.key = "k";
  const Header header{"h", "v"};
  extra.headers = {&header, 1};
  extra.raw_payload = true;
  batch.insert({number(1), text("a"), decimal("1"), json("1"), text("x")}).extra = &extra;
  batch.commit();
  run(batch, "e => ({...e, seen: 1})");
  const Extra& kept = *batch.batch().event(0).extra;
  EXPECT_EQ(kept.topic, "t");
  EXPECT_EQ(kept.key, "k");
  ASSERT_EQ(kept.headers.size(), 1U);
  EXPECT_EQ(kept.headers[0].value, "v");
}

TEST(JavaScript, WritesIntoColumnsThatTheLogLeftOut) {
  TestBatch batch;
  batch.insert({number(1), Value::absent(), decimal("1"), Value::absent(), text("x")});
  batch.commit();
  run(batch, body("e.after.status = 'new';"));
  EXPECT_THAT(batch.text(0), HasSubstr(R"("status":"new")"));
}

TEST(JavaScript, LargeWholeNumbersAreIntegers) {
  EXPECT_THAT(changed("e.ns = 1700000000000 * 1e6; e.after.id = 2 ** 62;"),
              AllOf(HasSubstr(R"("ns":1700000000000000000)"), HasSubstr(R"("id":4611686018427387904)")));
}

TEST(JavaScript, WhatCannotBeLoggedIsNoFailure) {
  EXPECT_EQ(after("const o = {}; o.o = o; console.log(o, new Uint8Array(2), {get x() { throw 1; }});"), kAfter);
}

// The engine runs them outside of the script, where nobody catches.
TEST(JavaScript, AJobThatThrowsIsNobodys) {
  EXPECT_EQ(after("const p = Promise.resolve(1);"
                  "p.constructor = {[Symbol.species]: function (x) { x(() => { throw 1 }, () => { throw 1 }) }};"
                  "p.then(() => {});"),
            kAfter);
}

TEST(JavaScript, LeavesWhatItDoesNotTouch) {
  EXPECT_EQ(after(""), kAfter);
  EXPECT_EQ(after("JSON.stringify(e.source); ({...e, ...e.after}); Object.keys(e); e.op; e.id; e.tags; e.routing;"),
            kAfter);
}

// However it goes through them, nothing is passed over.
TEST(JavaScript, AllMembersAreThereBeforeTheyAreLookedAt) {
  const std::string redacted =
      after("for (const k of Object.keys(e.after)) if (typeof e.after[k] === 'string') e.after[k] = '*'");
  EXPECT_THAT(redacted, HasSubstr(R"("status":"*")"));
  EXPECT_EQ(after("for (const [k, v] of Object.entries(e.after)) if (typeof v === 'string') e.after[k] = '*'"),
            redacted);
  EXPECT_EQ(
      after("e.after.total; for (const [k, v] of Object.entries(e.after)) if (typeof v === 'string') e.after[k] = '*'"),
      redacted);
  EXPECT_EQ(after("e.after = Object.fromEntries(Object.entries(e.after))"), after("e.after = {...e.after}"));
  EXPECT_EQ(after("const n = Object.keys(e.after).length;"
                  "if (Object.values(e.after).length !== n || n < 3 || !Object.values(e.after).includes(1)) throw n"),
            kAfter);
  EXPECT_EQ(changed("Object.entries(e); Object.values(e); Object.getOwnPropertyNames(e)"), changed(""));
  EXPECT_EQ(after("const o = Object.fromEntries(Object.entries(e)); if (o.op !== e.op || !o.after) throw 1"), kAfter);
  EXPECT_THAT(after("delete e.after.status; if (Object.entries(e.after).some(([k]) => k === 'status')) throw 1"),
              Not(HasSubstr("status")));
}

TEST(JavaScript, ChangesValuesAndNames) {
  EXPECT_THAT(after("e.after.status = '[redacted]'"),
              HasSubstr(R"({"id":1,"status":"[redacted]","total":"1.50","doc")"));
  EXPECT_THAT(
      after("delete e.after.status; e.after.more = {n: [1, 'ü', null]}"),
      HasSubstr(
          R"({"id":1,"total":"1.50","doc":{"a":{"b":1.0}, "big":9007199254740993},"tags":"x","more":{"n":[1,"ü",null]}})"));
  EXPECT_THAT(after("e.after.doc.a.c = 2"), HasSubstr(R"("doc":{"a":{"b":1,"c":2},"big":9007199254740993},"tags")"));
  EXPECT_EQ(after("e.after = null"), "null");
  EXPECT_EQ(after("e.after = {...e.after, id: 7, x: 1.5}"),
            R"({"id":7,"status":"new","total":"1.50","doc":{"a":{"b":1},"big":9007199254740993},"tags":"x","x":1.5})");
  EXPECT_EQ(after("if (!('status' in e.after) || !e.after.hasOwnProperty('id') || 'nope' in e.after) throw 1"), kAfter);
  EXPECT_EQ(after("Object.freeze(e.after); Object.freeze(e)"), kAfter);
}

TEST(JavaScript, KeepsIntegersExact) {
  TestBatch batch;
  for (const std::int64_t id : {9007199254740993, std::int64_t{-9223372036854775807} - 1, std::int64_t{4294967296}})
    batch.insert({number(id), Value::float64(2.0), Value::uint64(18446744073709551615U)});
  batch.commit();
  run(batch, body("e.after = {...e.after, next: typeof e.after.id == 'bigint' ? e.after.id + 1n : e.after.id + 1}"));
  EXPECT_THAT(batch.text(0), HasSubstr(R"({"id":9007199254740993,"status":2.0,"total":18446744073709551615,)"));
  EXPECT_THAT(batch.text(0), HasSubstr(R"("next":9007199254740994})"));
  EXPECT_THAT(batch.text(1), HasSubstr(R"({"id":-9223372036854775808,)"));
  EXPECT_THAT(batch.text(2), HasSubstr(R"("next":4294967297})"));
}

TEST(JavaScript, KeepsTheKeyOfARow) {
  TestBatch batch;
  batch.insert({number(1), text("a")});
  batch.commit();
  run(batch, body("e.after.id = 99"));
  EXPECT_THAT(batch.text(0), HasSubstr(R"("after":{"id":99,)"));
  EXPECT_EQ(batch.batch().event(0).after.values[0].as_int64(), 1) << "keys are made of this";
}

TEST(JavaScript, AddsTagsAndMembersAndRoutes) {
  const std::string all = changed("e.tags = ['a', 'b']; e.processed_at = 17; e.trace_id = 'x'; delete e.trace_id;");
  EXPECT_THAT(all, HasSubstr(R"("tags":["a","b"],"processed_at":17})"));
  EXPECT_THAT(all, Not(HasSubstr("trace_id")));
  TestBatch batch;
  batch.insert({number(1)});
  batch.insert({number(2)});
  batch.commit();
  run(batch, body("if (e.after.id == 1) e.route({topic: 't', key: e.after.id, headers: {a: 'b', n: 1}}); "
                  "else e.routing.topic = 'u'"));
  const Extra& extra = *batch.batch().event(0).extra;
  EXPECT_EQ(extra.topic, "t");
  EXPECT_EQ(extra.key, "1");
  ASSERT_EQ(extra.headers.size(), 2);
  EXPECT_EQ(extra.headers[1].name, "n");
  EXPECT_EQ(extra.headers[1].value, "1");
  EXPECT_EQ(batch.batch().event(1).extra->topic, "u");
  run(batch, body("e.route({key: 'k'}); e.tags = (e.tags || []).concat(['x'])"));
  EXPECT_EQ(batch.batch().event(0).extra->topic, std::nullopt) << "a route replaces the one before";
  EXPECT_EQ(batch.batch().event(0).extra->tags[0], "x");
}

TEST(JavaScript, ProtectsWhatIsNotTheScripts) {
  EXPECT_EQ(changed("e.op = 'd'; e.event_id = 'x'; e.source = {}; e.source.table = 'y'; e.ts_ms = 1; e.table = 'z'; "
                    "e.tx_end = false; e.synthetic = 'n'"),
            changed(""));
  EXPECT_EQ(changed("'use strict'; e.op = 'd'; e.id = 1"), changed(""));
}

// How often the log says that a script's write was left out.
int warnings(const std::string& script) {
  TestBatch batch;
  batch.insert({number(1), text("a")});
  batch.insert({number(2), text("b")});
  batch.commit();
  ::testing::internal::CaptureStderr();
  run(batch, script);
  obs::flush_log();
  const std::string log = ::testing::internal::GetCapturedStderr();
  int count = 0;
  for (std::size_t at = 0; (at = log.find("not its own", at)) != std::string::npos; ++at) ++count;
  return count;
}

TEST(JavaScript, WarnsOnceOfWritesThatAreLeftOut) {
  for (const char* member : {"op", "event_id", "id", "source", "ts_ms", "transaction", "synthetic", "tenant_id",
                             "tx_end", "checkpoint", "table", "database", "tx_id", "timestamp"}) {
    const std::string name = member;
    EXPECT_EQ(warnings(body("e." + name + " = 'x'")), 1) << name;
    if (name == "event_id") continue;  // then it is a new event
    EXPECT_EQ(warnings("(e) => ({...e, " + name + ": 'x'})"), 1) << name << " of a copy";
    EXPECT_EQ(warnings("(e) => ({event_id: e.event_id, after: e.after, " + name + ": 'x'})"), 1) << name;
  }
  EXPECT_EQ(warnings("(e) => [e, {after: {}, ts_ms: 1}]"), 1) << "of a new event";
}

TEST(JavaScript, WarnsOfNothingElse) {
  EXPECT_EQ(warnings(body("e.tags = ['x']; e.after.status = e.op; e.more = e.source.table; e.route({key: 'k'})")), 0);
  EXPECT_EQ(warnings("(e) => [e, {...e, after: {n: 1}, tags: ['x'], more: e.ts_ms}]"), 0);
  EXPECT_EQ(warnings("(e) => [e, {...e, table: e.table, database: e.database, timestamp: e.timestamp}]"), 0);
  EXPECT_EQ(warnings("(e) => JSON.parse(JSON.stringify(e))"), 0);
  EXPECT_EQ(warnings("(e) => { const {event_id, id, ...rest} = e; return [e, {...rest, op: 'u', after: {n: 1}}]; }"),
            0);
}

TEST(JavaScript, ShowsOtherNames) {
  EXPECT_EQ(after("if (e.table.split('.')[1] !== 'orders' || e.database !== 'shop' || e.tx_id !== '731') throw e.table;"
                  "if (e.timestamp !== '2025-11-24T16:00:00.123Z' || e.ts_ms !== 1764000000123) throw e.timestamp;"
                  "if (e.id !== e.event_id || e.source.table !== 'orders' || e.op !== 'c') throw e.id;"
                  "if (e.before !== null || e.transaction.total_order !== 1) throw 'x'"),
            kAfter);
}

TEST(JavaScript, DropsReordersAndCopies) {
  TestBatch batch;
  for (int i = 1; i <= 4; ++i) batch.insert({number(i)});
  batch.commit();
  for (int i = 5; i <= 6; ++i) batch.insert({number(i)});
  batch.commit();
  TestBatch same;
  for (int i = 1; i <= 4; ++i) same.insert({number(i)});
  same.commit();
  run(batch,
      "function processBatch(all) { return all.length == 2 ? [] : [all[3], all[0], all[0], {...all[0]}, all[2]]; }");
  EXPECT_THAT(batch.left(), ElementsAre(4, 1, 1, 1, 3));
  EXPECT_EQ(batch.batch().commits()[0].first, 0);
  EXPECT_EQ(batch.batch().commits()[0].last, 6) << "with the one that was dropped";
  EXPECT_EQ(batch.batch().commits()[1].first, 6);
  EXPECT_EQ(batch.batch().commits()[1].last, 8);
  const auto id = [](TestBatch& of, std::uint32_t i) {
    return to_string(event_id(of.batch().commits()[0], of.batch().event(i)));
  };
  EXPECT_EQ(id(batch, 0), id(same, 3));
  EXPECT_EQ(id(batch, 1), id(same, 0)) << "the first output keeps the id";
  EXPECT_EQ(batch.batch().event(2).fan_out, 1);
  EXPECT_EQ(batch.batch().event(3).fan_out, 2);
  EXPECT_THAT(batch.text(3), Not(HasSubstr("synthetic")));
}

TEST(JavaScript, MakesNewEvents) {
  TestBatch batch;
  batch.insert({number(1), text("a")});
  batch.insert({number(2), text("b")});
  batch.commit();
  run(batch,
      "function processBatch(all) { return [all[0], {after: {made: 1}}, {after: {made: 2}, op: 'u'}, all[1]]; }");
  EXPECT_THAT(batch.text(1), HasSubstr(R"("after":{"made":1},)"));
  EXPECT_THAT(batch.text(1), HasSubstr(R"("synthetic":"js")"));
  EXPECT_THAT(batch.text(2), HasSubstr(R"("op":"u")"));
  EXPECT_THAT(batch.text(3), Not(HasSubstr("synthetic")));
  EXPECT_EQ(batch.batch().event(1).fan_out, 1);
  EXPECT_EQ(batch.batch().event(2).fan_out, 2);
  EXPECT_EQ(batch.batch().event(1).ordinal, batch.batch().event(0).ordinal) << "it belongs to the one before it";
}

TEST(JavaScript, CopiesOfCopiesHaveIdsOfTheirOwn) {
  TestBatch batch;
  batch.insert({number(1)});
  batch.commit();
  for (std::size_t i = 0; i < 3; ++i) run(batch, config_of("(e) => [e, e, e]"), i);
  ASSERT_EQ(batch.batch().size(), 27);
  std::set<std::uint32_t> all;
  for (std::uint32_t i = 0; i < 27; ++i) all.insert(batch.batch().event(i).fan_out);
  EXPECT_EQ(all.size(), 27);
}

// As a dead letter does that is tried again.
TEST(JavaScript, CopiesOfOneCopyAloneHaveTheIdsThatTheyHadAmongOthers) {
  const auto ids = [](TestBatch& batch) {
    std::set<std::string> all;
    for (std::uint32_t i = 0; i < batch.batch().size(); ++i)
      if (const Event& event = batch.batch().event(i); !event.dropped)
        all.insert(to_string(event_id(batch.batch().commits()[0], event)));
    return all;
  };
  TestBatch all;
  all.insert({number(1)});
  all.commit();
  run(all, "(e) => [e, e, e, e]");
  run(all, config_of("(e) => [e, e, e]"), 1);
  const std::set<std::string> together = ids(all);
  std::set<std::string> one_by_one;
  for (std::uint32_t copy = 0; copy < 4; ++copy) {
    TestBatch alone;
    alone.insert({number(1)}).fan_out = copy;
    alone.commit();
    run(alone, config_of("(e) => [e, e, e]"), 1);
    one_by_one.merge(ids(alone));
  }
  EXPECT_EQ(together.size(), 12);
  EXPECT_EQ(one_by_one, together);
}

TEST(JavaScript, WhatIsNoEventIsNotTakenForOne) {
  for (const char* made : {"{}", "new Set(all)", "new Map()", "(function*() { yield all[0]; })()", "new Uint8Array(4)",
                           "processBatch", "new Date()", "[new Set(all)]", "[[]]", "/x/", "'x'", "7"}) {
    TestBatch batch;
    batch.insert({number(1)});
    batch.commit();
    EXPECT_THAT(failure_of(batch, "function processBatch(all) { return " + std::string(made) + "; }"),
                AllOf(HasSubstr("return"), HasSubstr("event")))
        << made;
  }
  for (const char* taken : {"new Proxy(all, {})", "[new Proxy(all[0], {})]", "{after: {x: 1}}", "{before: null}"}) {
    TestBatch batch;
    batch.insert({number(1)});
    batch.commit();
    run(batch, "function processBatch(all) { return " + std::string(taken) + "; }");
    EXPECT_EQ(batch.left().size(), 1u) << taken;
  }
}

TEST(JavaScript, TheEntryIsAPlainFunction) {
  for (const auto& [script, what] : {std::pair{"async function processBatch(all) { return all; }", "async"},
                                     {"function* processBatch(all) { yield all[0]; }", "a generator"},
                                     {"async function* processBatch(all) { yield all[0]; }", "async"},
                                     {"class processBatch {}", "a class"},
                                     {"async (e) => [e]", "async"}}) {
    TestBatch batch;
    batch.insert({number(1)});
    batch.commit();
    EXPECT_THAT(failure_of(batch, script),
                HasSubstr("its entry is " + std::string(what) + ": it must be a plain function"));
  }
}

TEST(JavaScript, ANumberThatNoDoubleHoldsIsNeverAnotherOne) {
  TestBatch batch;
  batch.insert({number(1), json(R"({"a":1e400,"b":1e-400})")});
  batch.commit();
  EXPECT_THAT(failure_of(batch, body("e.after.status.c = 1;")), HasSubstr("1e400"));
  for (const std::string small : {"1e-400", "-1.5E-400", "0.0001e-99999999999999999999", "2e-324"}) {
    const std::string document = "{\"a\":[" + small + "]}";
    TestBatch one;
    one.insert({number(1), json(document)});
    one.commit();
    EXPECT_THAT(failure_of(one, body("e.after.status.c = 1;")),
                HasSubstr("the number " + small + ", which is beyond what a script can hold"));
  }
}

TEST(JavaScript, ZeroMayBeWrittenInAnyWay) {
  for (const std::string zero : {"0e5", "0.0", "-0", "-0.0e-400", "0e400", "0.000E-99999999999999999999", "5e-324"}) {
    const std::string document = "{\"a\":" + zero + "}";
    TestBatch batch;
    batch.insert({number(1), json(document)});
    batch.commit();
    run(batch, body("e.after.status.c = 1;"));
    EXPECT_THAT(batch.text(0), HasSubstr(zero == "5e-324" ? R"({"a":5e-324,"c":1})" : R"({"a":0,"c":1})")) << zero;
  }
}

TEST(JavaScript, AFloat32ThatIsCopiedShowsItsOwnDecimals) {
  TestBatch batch;
  batch.insert({number(1), Value::float32(0.1F)});
  batch.commit();
  run(batch, body("e.after.copy = e.after.status; e.before = e.after;"));
  EXPECT_THAT(batch.text(0), AllOf(HasSubstr(R"("copy":0.1})"), Not(HasSubstr("0.100000"))));
}

TEST(JavaScript, ACallThatHadADeadLetterIsMadeEventByEventAgain) {
  const std::string count = "function processBatch(all) { for (const e of all) e.tags = [String(all.length)]; }";
  TestBatch batch;
  for (int i = 0; i < 3; ++i) batch.insert({number(i)}).dropped = i == 1;
  batch.commit();
  batch.insert({number(3)});
  batch.insert({number(4)});
  batch.commit();
  JavaScript processor(config_of(count), {.pipeline = "p", .tenant = {}, .had_letter = [](auto first, auto last) {
                                            return first <= 1 && 1 < last;
                                          }});
  processor.process(batch.batch());
  for (const std::uint32_t alone : {0u, 2u}) EXPECT_THAT(batch.text(alone), HasSubstr(R"("tags":["1"])"));
  for (const std::uint32_t together : {3u, 4u}) EXPECT_THAT(batch.text(together), HasSubstr(R"("tags":["2"])"));
}

TEST(JavaScript, AScriptDoesNotNameEvents) {
  TestBatch batch;
  batch.insert({number(1)});
  batch.insert({number(2)}).extra = [] {
    static const std::vector<Header> headers{{"df-event-id", "o-7"}};
    static Extra extra;
    extra.headers = headers;
    return &extra;
  }();
  batch.commit();
  run(batch, "(e) => { e.route({headers: {...e.routing?.headers, 'DF-Event-Id': 'x', a: 'b'}}); }");
  const auto names = [&](std::uint32_t i) {
    std::vector<std::string> all;
    for (const Header& each : batch.batch().event(i).extra->headers) all.emplace_back(each.name);
    return all;
  };
  EXPECT_THAT(names(0), ElementsAre("a"));
  EXPECT_THAT(names(1), ::testing::UnorderedElementsAre("df-event-id", "a")) << "it is the outbox's";
}

TEST(JavaScript, TakesBothFormsAndWhatTheyReturn) {
  for (const char* script :
       {"(event) => { event.tags = ['x']; return [event]; }", "(event) => { event.tags = ['x']; }",
        "e => { e.tags = ['x']; return e }", "const processBatch = (all) => { all[0].tags = ['x']; return all; }",
        "function processBatch(all) { all[0].tags = ['x']; }",
        "function processBatch(all) { all[0].tags = ['x']; return all[0]; }"}) {
    TestBatch batch;
    batch.insert({number(1)});
    batch.commit();
    run(batch, script);
    EXPECT_THAT(batch.text(0), HasSubstr(R"("tags":["x"])")) << script;
  }
}

TEST(JavaScript, CallsAreCountedFromTheTransactionsFirstEvent) {
  TestBatch batch;
  for (int t = 0; t < 2; ++t) {
    for (int i = 0; i < 1'001; ++i) batch.insert({number(i)});
    batch.commit();
  }
  run(batch,
      "let calls = 0; function processBatch(all) { ++calls; for (const e of all) e.call = [calls, all.length]; }");
  EXPECT_THAT(batch.text(999), HasSubstr(R"("call":[1,1000])"));
  EXPECT_THAT(batch.text(1000), HasSubstr(R"("call":[2,1])"));
  EXPECT_THAT(batch.text(1001), HasSubstr(R"("call":[3,1000])"));
}

TEST(JavaScript, CollectionsInTheMiddleOfACallDoNoHarm) {
  TestBatch batch;
  for (int i = 0; i < 20'000; ++i)
    batch.insert(
        {number(i), text("some text that is not short"), decimal("1.5"), json(R"({"a":[1,{"b":2}]})"), text("x")});
  batch.commit();
  run(batch,
      body("const all = {...e.after}; JSON.stringify(e); e.after.doc.a.push('x'.repeat(50)); e.tags = ['a' + e.id]; "
           "e.source.more = e.routing; e.more = [all, e.transaction]; e.after.status += 'y'"));
  EXPECT_THAT(batch.text(19'999), HasSubstr(R"("id":19999,"status":"some text that is not shorty")"));
  EXPECT_THAT(batch.text(19'999), HasSubstr(R"("more":[{"id":19999,"status":"some text that is not short")"));
}

TEST(JavaScript, AFailureNamesProcessorEventAndLine) {
  TestBatch batch;
  batch.insert({number(1)});
  batch.commit();
  const std::string error = failure_of(batch, "function processBatch(all) {\n  return all.map(e => e.none.x);\n}");
  EXPECT_THAT(error, HasSubstr("processor 'js'"));
  EXPECT_THAT(error, HasSubstr("TypeError: "));
  EXPECT_THAT(error, HasSubstr("line 2, column"));
  EXPECT_THAT(error, HasSubstr("public.orders"));
  EXPECT_THAT(failure_of(batch, "() => 1"), HasSubstr("must be a list of events"));
  EXPECT_THAT(failure_of(batch, "() => [1]"), HasSubstr("is not an event"));
  EXPECT_THAT(failure_of(batch, "() => Promise.resolve([])"), HasSubstr("promise"));
  EXPECT_THAT(failure_of(batch, "(e) => { e.after = 1 }"), HasSubstr("objects or null"));
  EXPECT_THAT(failure_of(batch, "(e) => { e.tags = 'x' }"), HasSubstr("list of texts"));
  EXPECT_THAT(failure_of(batch, "(e) => { e.x = e.after; e.after.me = e.x }"), HasSubstr("holds itself"));
  EXPECT_EQ(batch.left().size(), 1) << "the batch is as it was";
}

TEST(JavaScript, AProxyOfAListIsAList) {
  const std::string noted =
      "const seen = []; const noted = (list) => new Proxy(list, {get: (of, name) => { seen.push(String(name)); return "
      "of[name]; }}); ";
  EXPECT_THAT(after("e.after.status = new Proxy([1, [2], new Proxy([], {})], {})"),
              HasSubstr(R"("status":[1,[2],[]],)"));
  EXPECT_THAT(after("e.after.doc.a = {toJSON: () => new Proxy(['x'], {})}"), HasSubstr(R"("doc":{"a":["x"],"big")"));
  EXPECT_THAT(after("e.after = {l: new Proxy(new Proxy([1], {}), {})}"), HasSubstr(R"({"l":[1]})"));
  EXPECT_THAT(changed("e.tags = new Proxy(['a', 'b'], {}); e.more = new Proxy([1], {})"),
              HasSubstr(R"("tags":["a","b"],"more":[1]})"));

  for (const auto& [statement, order] : {std::pair{"e.after.status = noted([7, 8])", "toJSON,length,0,1"},
                                         {"e.tags = noted(['a', 'b'])", "length,0,1"},
                                         {"return noted([e])", "length,0"}}) {
    TestBatch batch;
    for (int i = 0; i < 2; ++i) batch.insert({number(i), text("a")});
    batch.commit();
    run(batch, noted + "(e) => { if (e.after.id) e.seen = seen.join(); else { " + statement + " } }");
    EXPECT_THAT(batch.text(1), HasSubstr("\"seen\":\"" + std::string(order) + "\"}")) << statement;
  }
}

TEST(JavaScript, AProxyOfAListIsNothingElse) {
  const std::string broken = "const r = Proxy.revocable([], {}); r.revoke(); ";
  const std::string endless = "const long = new Proxy([], {get: (of, name) => name == 'length' ? 2 ** 32 : 'x'}); ";
  const std::string large =
      "const x = 'x'.repeat(1e5); const long = new Proxy([], {get: (of, name) => name == 'length' ? 2 ** 31 : x}); ";
  for (const auto& [statements, error] :
       {std::pair{std::string("e.after = new Proxy([], {})"), "objects or null"},
        {"e.before = new Proxy([1], {})", "objects or null"},
        {"return [new Proxy([], {})]", "is a list, not an event"},
        {"e.tags = new Proxy({}, {})", "list of texts"},
        {"e.tags = new Proxy([1], {})", "list of texts"},
        {"e.after.status = new Proxy([], {get() { throw new Error('got'); }})", "Error: got"},
        {broken + "e.after.status = [r.proxy]", "TypeError"},
        {broken + "e.tags = r.proxy", "TypeError"},
        {endless + "e.after.status = [long]", "array length"},
        {endless + "e.tags = long", "array length"},
        {endless + "return long", "array length"},
        {large + "e.tags = long", "limits.mem_mb"},
        {large + "e.more = long", "limits.mem_mb"}}) {
    TestBatch batch;
    batch.insert({number(1), text("a")});
    batch.commit();
    EXPECT_THAT(failure_of(batch, "(e) => { " + statements + " }"), HasSubstr(error)) << statements;
  }
}

TEST(JavaScript, DropsWhatFailsAlone) {
  TestBatch batch;
  for (int i = 1; i <= 5; ++i) batch.insert({number(i)});
  batch.commit();
  Config config = config_of(body("if (e.after.id % 2 == 0) throw new Error('even'); e.tags = ['odd']"));
  config.on_error = OnError::drop;
  run(batch, config);
  EXPECT_THAT(batch.left(), ElementsAre(1, 3, 5));
  EXPECT_THAT(batch.text(4), HasSubstr(R"("tags":["odd"])"));
}

TEST(JavaScript, WhatFailsAloneIsADeadLetter) {
  TestBatch batch;
  for (int i = 1; i <= 5; ++i) batch.insert({number(i)});
  batch.commit();
  Config config = config_of(body("if (e.after.id % 2 == 0) throw new Error('even'); e.tags = ['odd']"));
  config.on_error = OnError::dlq;
  EXPECT_TRUE(config.needs_journal());
  std::vector<std::string> set_aside;
  ProcessorContext context{"p", ""};
  context.set_aside = [&](const Batch& of, std::uint32_t event, std::string reason) {
    EXPECT_FALSE(of.event(event).dropped);
    set_aside.push_back(std::to_string(event) + ": " + reason);
  };
  JavaScript(config, context).process(batch.batch());
  EXPECT_THAT(batch.left(), ElementsAre(1, 3, 5));
  EXPECT_THAT(set_aside, ElementsAre(HasSubstr("1: Error: even"), HasSubstr("3: Error: even")));
}

TEST(JavaScript, StandsStillAtTheCommit) {
  Config config = config_of("(e) => { e.at = Date.now(); e.iso = new Date().toISOString(); e.n = Math.random() }");
  config.clock = Clock::commit;
  std::string first;
  for (int i = 0; i < 2; ++i) {
    TestBatch batch;
    batch.insert({number(1)});
    batch.insert({number(2)});
    batch.commit();
    run(batch, config);
    EXPECT_THAT(batch.text(0), HasSubstr(R"("at":1764000000123,"iso":"2025-11-24T16:00:00.123Z","n":0.)"));
    const std::string both = batch.text(0) + batch.text(1);
    EXPECT_EQ(i == 0 ? both : first, both);
    first = both;
    EXPECT_NE(batch.text(0).substr(batch.text(0).find("\"n\"")), batch.text(1).substr(batch.text(1).find("\"n\"")));
  }
}

TEST(JavaScript, HasNothingThatReachesOut) {
  TestBatch batch;
  batch.insert({number(1)});
  batch.commit();
  EXPECT_EQ(
      failure_of(batch,
                 "(e) => { for (const n of ['require', 'process', 'fetch', 'load', 'read', 'print', 'setTimeout', "
                 "'WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'quit', "
                 "'gc', 'Reflect_']) if (n in globalThis) throw n; }"),
      "");
  EXPECT_THAT(failure_of(batch, "(e) => eval('1')"), HasSubstr("EvalError"));
  EXPECT_THAT(failure_of(batch, "(e) => new Function('return 1')()"), HasSubstr("EvalError"));
  EXPECT_THAT(failure_of(batch, "(e) => { return import('x') }"), HasSubstr("promise"));
}

}  // namespace
}  // namespace deltaforge::processors::javascript
