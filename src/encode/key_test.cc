#include "encode/key.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace deltaforge::encode {
namespace {

Value text(std::string_view t) { return Value::of_text(Kind::text, t); }

struct Row {
  TableSchema schema{.table = "t", .full_name = "public.t", .columns = {{"a", "bigint"}, {"b", "text"}, {"c", "text"}}};
  std::vector<Value> before, after;
  Op op = Op::create;

  std::string key() {
    Event event;
    event.schema = &schema;
    event.op = op;
    event.before = {before, !before.empty()};
    event.after = {after, !after.empty()};
    Slab out;
    out.append('>');
    std::string_view reason = append_key(event, out);
    return reason.empty() ? std::string(out.view().substr(1)) : "refused";
  }
};

TEST(Key, OneColumnIsItsText) {
  Row row{.after = {Value::int64(7), text("x"), text("y")}};
  row.schema.key = {0};
  EXPECT_EQ(row.key(), "7");
  row.schema.key = {1};
  EXPECT_EQ(row.key(), "x");
  row.after[1] = text("quo\"ted\n");
  EXPECT_EQ(row.key(), "quo\"ted\n");
  row.after[1] = text("");
  EXPECT_EQ(row.key(), "");
  row.after[1] = text({});
  EXPECT_EQ(row.key(), "");
  row.after[1] = Value::of_text(Kind::bytes, "foo");
  EXPECT_EQ(row.key(), "Zm9v");
  row.after[1] = Value::of_text(Kind::decimal, "1.50");
  EXPECT_EQ(row.key(), "1.50");
  row.after[1] = Value::boolean(true);
  EXPECT_EQ(row.key(), "true");
  row.after[1] = Value::float64(2);
  EXPECT_EQ(row.key(), "2.0");
  row.after[1] = Value::of_text(Kind::timestamp, "2024-02-29T12:00:00Z");
  EXPECT_EQ(row.key(), "2024-02-29T12:00:00Z");
}

TEST(Key, SeveralColumnsAreAnObjectInKeyOrder) {
  Row row{.after = {Value::int64(1), text("x"), text("é\"")}};
  row.schema.key = {0, 1};
  EXPECT_EQ(row.key(), R"({"a":1,"b":"x"})");
  row.schema.key = {2, 0};
  EXPECT_EQ(row.key(), R"({"c":"é\"","a":1})");
  row.after[2] = Value::of_text(Kind::bytes, "f");
  EXPECT_EQ(row.key(), R"({"c":{"_base64":"Zg=="},"a":1})");
  row.after[2] = text("\xFF");
  EXPECT_EQ(row.key(), "refused");
}

TEST(Key, WithoutAKeyItIsTheTable) {
  Row row{.after = {Value::int64(1), Value::null(), Value::absent()}};
  EXPECT_EQ(row.key(), "public.t");
  row.schema.key = {1};
  EXPECT_EQ(row.key(), "public.t");
  row.schema.key = {0, 2};
  EXPECT_EQ(row.key(), "public.t");
  row = Row{.op = Op::truncate};
  row.schema.key = {0};
  EXPECT_EQ(row.key(), "public.t");
}

TEST(Key, DeletesTakeItFromBefore) {
  Row row{.before = {Value::int64(7), Value::absent(), Value::absent()}, .op = Op::remove};
  row.schema.key = {0};
  EXPECT_EQ(row.key(), "7");
}

TEST(Key, AKeyChangeIsKeyedByTheNewKey) {
  Row row{.before = {Value::int64(7), Value::absent(), Value::absent()},
          .after = {Value::int64(8), text("x"), text("y")},
          .op = Op::update};
  row.schema.key = {0};
  EXPECT_EQ(row.key(), "8");
}

TEST(Key, WhatAfterDoesNotRepeatComesFromBefore) {
  Row row{.before = {Value::int64(7), text("long"), Value::null()},
          .after = {Value::int64(7), Value::unchanged(), text("y")},
          .op = Op::update};
  row.schema.key = {1};
  EXPECT_EQ(row.key(), "long");
  row.before.clear();
  EXPECT_EQ(row.key(), "public.t");
}

}  // namespace
}  // namespace deltaforge::encode
