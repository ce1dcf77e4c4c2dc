#include "encode/template_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "encode/json_member.h"

namespace deltaforge::encode {
namespace {

const TableSchema& schema() {
  static const TableSchema made{.connector = "postgresql",
                                .source_id = "pg",
                                .database = "shop",
                                .schema = "public",
                                .table = "orders",
                                .full_name = "public.orders",
                                .columns = {{"id", "bigint"}, {"region", "text"}, {"doc", "jsonb"}, {"a.b", "text"}},
                                .key = {0}};
  return made;
}

struct Row {
  std::vector<Value> before, after;
  Event event;

  explicit Row(std::string_view region = "eu", std::string_view doc = "{}") {
    after = {Value::int64(7), Value::of_text(Kind::text, region), Value::of_text(Kind::json, doc),
             Value::of_text(Kind::text, "dotted")};
    event.schema = &schema();
    event.op = Op::update;
    event.after = {after, true};
  }
};

// The text, or "!" and the variable that has no value.
std::string text(const std::string& written, const Event& event, const std::string& tenant = "acme") {
  Slab out;
  out.append("x");
  const TemplateText filled(config::Template(written), tenant);
  const std::string_view missing = filled.append(event, out);
  EXPECT_TRUE(missing.empty() || out.view() == "x");
  return missing.empty() ? std::string(out.view().substr(1)) : "!" + std::string(missing);
}

TEST(TemplateText, EveryVariable) {
  const Row row;
  EXPECT_EQ(text("events:${source.table}", row.event), "events:orders");
  EXPECT_EQ(text("${source.db}.${source.schema}.${source.connector}.${op}.${tenant_id}", row.event),
            "shop.public.postgresql.u.acme");
  EXPECT_EQ(text("${after.id}-${after.region}", row.event), "7-eu");
  EXPECT_EQ(text("${after.a.b}", row.event), "dotted");
  EXPECT_EQ(text("plain", row.event), "plain");
  EXPECT_TRUE(TemplateText(config::Template("plain"), "").is_static());
}

TEST(TemplateText, WhatTheEventLacksIsNamed) {
  Row row;
  EXPECT_EQ(text("x.${before.id}", row.event), "!${before.id}");
  EXPECT_EQ(text("${after.nothing}", row.event), "!${after.nothing}");
  EXPECT_EQ(text("${tenant_id}", row.event, ""), "!${tenant_id}");
  row.after[1] = Value::null();
  EXPECT_EQ(text("${after.id}${after.region}", row.event), "!${after.region}");
  row.after[1] = Value::of_text(Kind::text, "");
  EXPECT_EQ(text("${after.id}${after.region}", row.event), "7");
}

TEST(TemplateText, AValueThatTheLogLeavesOutIsThatOfBefore) {
  for (const Value& left_out : {Value::unchanged(), Value::absent()}) {
    Row row;
    row.after[1] = left_out;
    EXPECT_EQ(text("${after.region}", row.event), "!${after.region}");
    row.before = row.after;
    row.before[1] = Value::of_text(Kind::text, "us");
    row.event.before = {row.before, true};
    EXPECT_EQ(text("${after.region}", row.event), "us");
  }
}

TEST(TemplateText, PathsOfAnyDepthReachIntoJson) {
  const Row row(
      "eu", R"({"a": {"b":{"c":{"d":"de\u0065p \"q\" \ud83d\ude00"}}, "n": 1.50, "o":{"x":[1]},"z":null, "n":2.0}})");
  EXPECT_EQ(text("${after.doc.a.b.c.d}", row.event), "deep \"q\" \xF0\x9F\x98\x80");
  EXPECT_EQ(text("${after.doc.a.n}", row.event), "2.0");
  EXPECT_EQ(text("${after.doc.a.o}", row.event), R"({"x":[1]})");
  EXPECT_EQ(text("${after.doc.a.z}", row.event), "!${after.doc.a.z}");
  EXPECT_EQ(text("${after.doc.a.missing}", row.event), "!${after.doc.a.missing}");
  EXPECT_EQ(text("${after.doc.a.n.x}", row.event), "!${after.doc.a.n.x}");
  EXPECT_EQ(text("${after.region.x}", row.event), "!${after.region.x}");
}

TEST(JsonMember, NamesAreWhatTheySayHoweverTheyAreWritten) {
  EXPECT_EQ(json_member(R"({"gr\u00f6\u00dfe":5})", "größe"), "5");
  EXPECT_EQ(json_member(R"({"\ud83d\ude00\/\n\"":5})", "\xF0\x9F\x98\x80/\n\""), "5");
  EXPECT_EQ(json_member(R"({"a\\b":5})", "a\\b"), "5");
  EXPECT_FALSE(json_member(R"({"a\\b":5})", "a\\\\b"));
  EXPECT_EQ(json_member(R"({"a":1,"\u0061":2})", "a"), "2") << "the last";
  EXPECT_EQ(json_member(R"({"\u0061":2,"a":1})", "a"), "1");
  for (const char* other : {R"({"\ud800":1})", R"({"\u00":1})", R"({"\u0061b":1})", R"({"\u0062":1})", R"({"\u":1})"})
    EXPECT_FALSE(json_member(other, "a")) << other;
  EXPECT_EQ(text("${after.doc.größe.x}", Row("eu", R"({"gr\u00F6\u00dfe":{"\u0078":7}})").event), "7");
}

TEST(JsonMember, BrokenTextIsNotRead) {
  for (const char* bad : {"", "{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "[", "\"a\"", "{\"a\\", "{\"b\":\"\\", "1"})
    (void)json_member(bad, "a");
  EXPECT_EQ(json_member("{\"a\":{\"b\":\"}\"},\"c\":[1,{}] }", "c"), "[1,{}]");
  EXPECT_EQ(json_member(" { \"a\" : true } ", "a"), "true");
  EXPECT_FALSE(json_member("[{\"a\":1}]", "a"));
  Slab out;
  EXPECT_FALSE(append_unescaped("\"a\\ud800b\"", out));
  EXPECT_FALSE(append_unescaped("\"a\\u12\"", out));
  EXPECT_EQ(out.size(), 0u);
}

}  // namespace
}  // namespace deltaforge::encode
