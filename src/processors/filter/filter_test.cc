#include "processors/filter/filter.h"

#include <gtest/gtest.h>

#include <limits>

#include "config/parse.h"
#include "processors/filter/decimals.h"
#include "processors/testing/batch.h"

namespace deltaforge::processors::filter {
namespace {

using testing::decimal;
using testing::json;
using testing::number;
using testing::TestBatch;
using testing::text;
using Ids = std::vector<std::int64_t>;

struct Read {
  Config config;
  std::string problems;
};

Read read(const std::string& fields) {
  Read result;
  config::Report report;
  const auto documents = config::parse("type: filter\n" + fields, "p.yaml", report);
  if (!documents.empty()) Config::spec().parse(documents[0].root, result.config, report);
  result.problems = report.text();
  return result;
}

// The rows that are left of a batch.
Ids left(const std::string& fields, TestBatch& batch) {
  const Read result = read(fields);
  EXPECT_EQ(result.problems, "");
  Filter(result.config, {"p", ""}).process(batch.batch());
  return batch.left();
}

Ids left(const std::string& fields) {
  static const Value tags[] = {text("vip"), text("new")};
  TestBatch batch;
  batch.insert(
      {number(1), text("active"), decimal("100.00"), json(R"({"tier":{"level":3},"n":42.0})"), Value::array(tags)});
  batch.insert(
      {number(2), text("failed"), decimal("99.99"), json(R"({"tier":"gold \u0041","list":[1,"b"],"n":null})")});
  batch.insert({number(3), Value::null(), Value::null(), Value::null()});
  batch.update({number(4), text("active"), decimal("1"), json("{}")},
               {number(4), text("failed"), decimal("1"), json("{}")});
  batch.update({number(5), text("active"), decimal("1"), json("{}")},
               {number(5), Value::unchanged(), decimal("1"), Value::absent()});
  batch.remove({number(6), text("active")});
  return left(fields, batch);
}

std::string one(const std::string& path, const std::string& op, const std::string& value = "") {
  return "fields: [{path: " + path + ", op: " + op + (value.empty() ? "" : ", value: " + value) + "}]";
}

TEST(Filter, OperationsAndTables) {
  EXPECT_EQ(left(""), (Ids{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(left("ops: [create, delete]"), (Ids{1, 2, 3, 6}));
  EXPECT_EQ(left("tables: {include: [public.ord*]}").size(), 6u);
  EXPECT_EQ(left("tables: {include: [orders], exclude: [\"*.orders\"]}").size(), 0u);
  EXPECT_EQ(left("tables: {exclude: [orders_old]}").size(), 6u);
  EXPECT_EQ(left("ops: [update]\n" + one("status", "eq", "failed")), (Ids{4}));
}

TEST(Filter, Equality) {
  EXPECT_EQ(left(one("status", "eq", "active")), (Ids{1, 5})) << "what an update did not repeat is as it was";
  EXPECT_EQ(left(one("status", "ne", "active")), (Ids{2, 3, 4})) << "what is missing is not equal";
  EXPECT_EQ(left(one("id", "eq", "2.0")), (Ids{2}));
  EXPECT_EQ(left(one("id", "eq", "'2'")), (Ids{})) << "a number is no text";
  EXPECT_EQ(left(one("total", "eq", "100")), (Ids{1})) << "decimals are numbers";
  EXPECT_EQ(left(one("total", "eq", "'100.00'")), (Ids{1})) << "and text";
  EXPECT_EQ(left(one("doc.n", "eq", "42")), (Ids{1}));
  EXPECT_EQ(left(one("doc.tier.level", "eq", "3")), (Ids{1}));
  EXPECT_EQ(left(one("doc.tier", "eq", "gold A")), (Ids{2}));
  EXPECT_EQ(left(one("status", "in", "[failed, 3]")), (Ids{2, 4}));
  EXPECT_EQ(left(one("status", "not_in", "[failed]")), (Ids{1, 3, 5}));
}

TEST(Filter, FloatsAreComparedAsTheirColumnHoldsThem) {
  const auto with = [](const Value& total, const std::string& fields) {
    TestBatch batch;
    batch.insert({number(1), text("x"), total});
    return left(fields, batch) == Ids{1};
  };
  for (const Value& tenth : {Value::float64(0.1), Value::float32(0.1F)}) {
    EXPECT_TRUE(with(tenth, one("total", "eq", "0.1")));
    EXPECT_TRUE(with(tenth, one("total", "lte", "0.1")));
    EXPECT_FALSE(with(tenth, one("total", "gt", "0.1")));
    EXPECT_FALSE(with(tenth, one("total", "ne", "0.1")));
  }
  EXPECT_TRUE(with(Value::int64(9007199254740993), one("total", "gt", "9007199254740992")));
}

TEST(Filter, WhatIsOnlyLikeANumberIsText) {
  for (const char* word : {"nan", "Infinity", "007", "+5", "0x10", ".5"}) {
    TestBatch batch;
    batch.insert({number(1), text(word)});
    EXPECT_EQ(left(one("status", "eq", word), batch), (Ids{1})) << word;
  }
  EXPECT_NE(read(one("status", "eq", "1e999999")).problems.find("a number beyond all columns"), std::string::npos);
}

TEST(Filter, BlanksAroundJsonSayNothing) {
  TestBatch batch;
  batch.insert({number(1), Value::null(), Value::null(), json(" [1, 2]\n")});
  batch.insert({number(2), Value::null(), Value::null(), json(" null ")});
  batch.insert({number(3), Value::null(), Value::null(), json(" \"x\" ")});
  TestBatch same;
  same.insert({number(3), Value::null(), Value::null(), json(" \"x\" ")});
  EXPECT_EQ(left(one("doc", "eq", "x"), same), (Ids{3}));
  TestBatch null;
  null.insert({number(2), Value::null(), Value::null(), json(" null ")});
  EXPECT_EQ(left(one("doc", "exists"), null), (Ids{}));
  EXPECT_EQ(left(one("doc", "contains", "2"), batch), (Ids{1}));
}

TEST(Filter, WhatTheLogDoesNotTell) {
  TestBatch large;  // TOAST, without a full identity
  large.update({number(1), Value::absent(), Value::absent(), Value::absent()},
               {number(1), text("x"), Value::null(), Value::unchanged()});
  EXPECT_EQ(left(one("doc", "exists"), large), (Ids{1})) << "it is there, only not repeated";
  TestBatch minimal;  // what it was is not known: it may have changed
  minimal.update({number(1), Value::absent(), Value::absent(), Value::absent()},
                 {number(1), Value::null(), Value::absent(), Value::absent()});
  EXPECT_EQ(left(one("status", "changed"), minimal), (Ids{1}));
  TestBatch kept;
  kept.update({number(1), Value::absent(), Value::absent(), Value::absent()},
              {number(1), Value::null(), Value::absent(), Value::absent()});
  EXPECT_EQ(left(one("total", "changed"), kept), (Ids{}));
}

// As flatten and scripts leave it: as JSON.
TEST(Filter, AnImageThatAProcessorWroteAnewIsComparedByItsValues) {
  TestBatch same;
  same.update({number(1), text("paid"), decimal("10.50"), Value::float32(0.1F)},
              {number(1), json(R"("p\u0061id")"), json(R"("10.50")"), json("0.1")});
  same.update({number(2), Value::boolean(true), decimal("7"), number(9007199254740993)},
              {number(2), json("true"), json("7"), json("9007199254740993")});
  for (const char* path : {"status", "total", "doc"}) EXPECT_EQ(left(one(path, "changed"), same), Ids{}) << path;
  TestBatch other;
  other.update({number(1), text("paid"), decimal("10.50"), number(9007199254740993)},
               {number(1), json(R"("open")"), json(R"("10.51")"), json("9007199254740992")});
  for (const char* path : {"status", "total", "doc"}) EXPECT_EQ(left(one(path, "changed"), other), Ids{1}) << path;
}

TEST(Filter, TheEchoReadsBackAsItWas) {
  for (const char* value : {"[paid]", "[]", "[1, a, true]"}) {
    config::Echo echo;
    Config::spec().echo(read(one("a", "in", value)).config, echo);
    config::Report report;
    const auto documents = config::parse(echo.text(), "echo", report);
    Config again;
    Config::spec().parse(documents.at(0).root, again, report);
    EXPECT_EQ(report.text(), "") << echo.text();
    config::Echo second;
    Config::spec().echo(again, second);
    EXPECT_EQ(echo.text(), second.text());
  }
  config::Echo echo;
  Config::spec().echo(read(one("a", "eq", "18446744073709551615")).config, echo);
  EXPECT_NE(echo.text().find("18446744073709551615"), std::string::npos) << echo.text();
}

TEST(Filter, Presence) {
  EXPECT_EQ(left(one("status", "exists")), (Ids{1, 2, 4, 5}));
  EXPECT_EQ(left(one("status", "not_exists")), (Ids{3})) << "an event without `after` has no field that is missing";
  EXPECT_EQ(left(one("doc.n", "exists")), (Ids{1})) << "a null is none";
  EXPECT_EQ(left(one("nothing", "not_exists")), (Ids{1, 2, 3, 4, 5}));
}

TEST(Filter, Order) {
  EXPECT_EQ(left(one("total", "gte", "100")), (Ids{1}));
  EXPECT_EQ(left(one("total", "lt", "100")), (Ids{2, 4, 5}));
  EXPECT_EQ(left(one("id", "gt", "2")), (Ids{3, 4, 5}));
  EXPECT_EQ(left(one("status", "lte", "b")), (Ids{1, 5}));
  EXPECT_EQ(left(one("status", "gt", "1")), (Ids{})) << "text has no order with numbers";
}

TEST(Filter, ContainsAndRegex) {
  EXPECT_EQ(left(one("status", "contains", "ail")), (Ids{2, 4}));
  EXPECT_EQ(left(one("tags", "contains", "new")), (Ids{1}));
  EXPECT_EQ(left(one("tags", "contains", "ne")), (Ids{}));
  EXPECT_EQ(left(one("doc.list", "contains", "b")), (Ids{2}));
  EXPECT_EQ(left(one("doc.list", "contains", "1")), (Ids{2}));
  EXPECT_EQ(left(one("status", "regex", "'^f.*d$'")), (Ids{2, 4}));
  EXPECT_EQ(left(one("id", "regex", "'1'")), (Ids{})) << "a number is no text";
}

TEST(Filter, Changed) {
  EXPECT_EQ(left(one("status", "changed")), (Ids{1, 2, 3, 4, 6})) << "only updates have two images to compare";
  EXPECT_EQ(left(one("doc", "changed")), (Ids{1, 2, 3, 6}));
  EXPECT_EQ(left("ops: [update]\n" + one("total", "changed")), (Ids{}));
  EXPECT_EQ(left("ops: [update]\n" + one("nothing", "changed")), (Ids{})) << "in neither";
}

TEST(Filter, AllAndAny) {
  const std::string both = "fields: [{path: status, op: eq, value: failed}, {path: id, op: gte, value: 3}]\nmatch: ";
  EXPECT_EQ(left(both + "all"), (Ids{4}));
  EXPECT_EQ(left(both + "any"), (Ids{2, 3, 4, 5}));
}

TEST(Filter, SeesWhatTheProcessorBeforeItMade) {
  TestBatch batch;
  Extra flat;
  flat.after = R"({"id":1,"a__b":7,"x.y":"dotted"})";
  batch.insert({number(1)}).extra = &flat;
  batch.insert({number(2), text("plain")});
  EXPECT_EQ(left(one("a__b", "eq", "7"), batch), (Ids{1}));
  EXPECT_EQ(left(one("x.y", "eq", "dotted"), batch), (Ids{1}));
  EXPECT_EQ(left(one("status", "exists"), batch), (Ids{})) << "it is gone";
}

TEST(Filter, DecimalsAreComparedDigitByDigit) {
  const auto passing = [](const std::string& field) {
    TestBatch batch;
    for (const char* total : {"0.1000000000000000000000001", "0.1", "123456789012345678901234567890.5", "1e-1",
                              "123456789012345678901234567890.4", "-123456789012345678901234567890.5"})
      batch.insert({number(batch.batch().size() + 1), Value::null(), decimal(total)});
    batch.commit();
    return left(field, batch);
  };
  EXPECT_EQ(passing(one("total", "eq", "0.1")), (Ids{2, 4}));
  EXPECT_EQ(passing(one("total", "gt", "0.10")), (Ids{1, 3, 5}));
  EXPECT_EQ(passing(one("total", "gte", "123456789012345678901234567890.50")), (Ids{3}));
  EXPECT_EQ(passing(one("total", "lt", "-123456789012345678901234567890.4")), (Ids{6}));
  EXPECT_EQ(passing(one("total", "eq", "1.234567890123456789012345678904e29")), (Ids{5}));
  for (const auto& [a, b] :
       {std::pair{"0", "-0.00"}, {"1", "1.0"}, {"100", "1e2"}, {"-12.50", "-1.25E+1"}, {"0e5", "0"}})
    EXPECT_EQ(compare_decimals(a, b), std::strong_ordering::equal) << a << " " << b;
  for (const auto& [a, b] :
       {std::pair{"-1", "0"}, {"0", "0.001"}, {"9", "10"}, {"-10", "-9"}, {"0.09", "0.1"}, {"1", "1.5"}})
    EXPECT_EQ(compare_decimals(a, b), std::strong_ordering::less) << a << " " << b;
}

TEST(Filter, IntegersAreComparedWithDecimalsExactly) {
  const auto with = [](const Value& id, const std::string& op, const std::string& value) {
    TestBatch batch;
    batch.insert({number(1), Value::null(), id});
    return left(one("total", op, value), batch).size() == 1;
  };
  struct Case {
    Value id;
    const char* less;     // numbers that are just below it
    const char* same;     // it, written otherwise
    const char* greater;  // just above it
  };
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max(), kLeast = -kMost - 1;
  constexpr std::uint64_t kMostOfAll = std::numeric_limits<std::uint64_t>::max();
  for (const auto& [id, less, same, greater] :
       {Case{number(kMost), "9223372036854775806.9999", "9223372036854775807.00", "9223372036854775807.1"},
        Case{number(kMost), "9.2233720368547758069e18", "9.223372036854775807e18", "9223372036854775808"},
        Case{number(kLeast), "-9223372036854775808.1", "-9223372036854775808.0", "-9223372036854775807.9999"},
        Case{number(kLeast), "-9223372036854775809", "-9223372036854775808", "-9223372036854775807"},
        Case{Value::uint64(kMostOfAll), "18446744073709551614.9999", "1.8446744073709551615e19",
             "18446744073709551615.1"},
        Case{Value::uint64(kMostOfAll), "18446744073709551614", "18446744073709551615", "18446744073709551616"},
        Case{number(1), "0.99999999999999999999999", "100e-2", "1.00000000000000000000001"},
        Case{number(-1), "-1.00000000000000000000001", "-1.0", "-0.99999999999999999999999"},
        Case{number(0), "-1e-300", "-0", "1e-300"}}) {
    for (const char* op : {"eq", "gte", "lte"}) EXPECT_TRUE(with(id, op, same)) << op << " " << same;
    for (const char* op : {"ne", "gt", "lt"}) EXPECT_FALSE(with(id, op, same)) << op << " " << same;
    for (const char* op : {"ne", "gt", "gte"}) EXPECT_TRUE(with(id, op, less)) << op << " " << less;
    for (const char* op : {"eq", "lt", "lte"}) EXPECT_FALSE(with(id, op, less)) << op << " " << less;
    for (const char* op : {"ne", "lt", "lte"}) EXPECT_TRUE(with(id, op, greater)) << op << " " << greater;
    for (const char* op : {"eq", "gt", "gte"}) EXPECT_FALSE(with(id, op, greater)) << op << " " << greater;
  }
  EXPECT_FALSE(with(number(kMost), "in", "[1, 9223372036854775807.1]"));
  EXPECT_TRUE(with(number(kMost), "in", "[1, 9223372036854775807.0]"));
}

TEST(Filter, MistakesHaveAPlaceAndARemedy) {
  for (const auto& [text, message] : {
           std::pair{"ops: [insert]", "p.yaml:2:7: ops[0]: "},
           {"ops: create", "expected a list of operations: [create, update]"},
           {"fields: [{path: a, op: equals, value: 1}]", "p.yaml:2:24: fields[0].op: "},
           {"fields: [{op: eq, value: 1}]", "fields[0].path: "},
           {"fields: [{path: a, op: eq}]", "this op needs a `value`"},
           {"fields: [{path: a, op: exists, value: 1}]", "leave `value` out"},
           {"fields: [{path: a, op: in, value: 1}]", "expected a list: [a, b]"},
           {"fields: [{path: a, op: gt, value: [1]}]", "a list goes with `in` and `not_in` only"},
           {"fields: [{path: a, op: lt, value: true}]", "expected a number or text"},
           {"fields: [{path: a, op: regex, value: '('}]", "p.yaml:2:38: fields[0].value: not a regular expression: "},
           {"fields: [{path: a, op: eq, value: {b: 1}}]", "expected text, a number, true or false"},
           {"tables: {include: ['\"a']}", "tables.include[0]: "},
           {"tables: {includes: [a]}", "did you mean 'include'?"},
           {"match: some", "match: "},
       })
    EXPECT_NE(read(text).problems.find(message), std::string::npos) << text << "\n" << read(text).problems;
}

}  // namespace
}  // namespace deltaforge::processors::filter
