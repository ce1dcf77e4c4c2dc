#include "pipeline/kept_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "core/event_id.h"
#include "pipeline/row_keys.h"

namespace deltaforge::pipeline {
namespace {

struct Home final : BatchHome {
  void recycle(Batch* batch) noexcept override { delete batch; }
};

class KeptEvent : public ::testing::Test {
 protected:
  BatchPtr batch() { return BatchPtr(new Batch(budget_, home_)); }

  const TableSchema* schema(std::vector<std::string> columns, std::vector<std::uint32_t> key) {
    TableSchema made{.connector = "postgresql",
                     .source_id = "pg",
                     .database = "shop",
                     .schema = "public",
                     .table = "t",
                     .full_name = "public.t",
                     .columns = {},
                     .key = std::move(key)};
    for (std::string& name : columns) made.columns.push_back({std::move(name), "text"});
    return schemas_.intern(std::move(made));
  }

  static Image image(Batch& batch, const std::vector<Value>& values) {
    const auto copy = batch.pages().array<Value>(values.size());
    std::ranges::copy(values, copy.begin());
    return {copy, true};
  }

  // An event of a transaction of its own.
  static Event& add(Batch& batch, const TableSchema* schema) {
    Commit commit;
    commit.ts_us = 1'700'000'000'123'456;
    commit.id_hash = xxh3_128(as_bytes("a transaction"));
    commit.transaction_id = "731";
    commit.first = batch.size();
    commit.last = batch.size() + 1;
    batch.commits().push_back(commit);
    Event& event = batch.add_event();
    event.schema = schema;
    event.commit = static_cast<std::uint32_t>(batch.commits().size() - 1);
    return event;
  }

  PageBudget budget_{1 << 20};
  Home home_;
  schema::Registry schemas_;
};

TEST_F(KeptEvent, EachKindOfValueComesBack) {
  using namespace std::string_view_literals;
  BatchPtr original = batch();
  const std::vector<Value> values{Value::null(),
                                  Value::absent(),
                                  Value::unchanged(),
                                  Value::boolean(true),
                                  Value::int64(std::numeric_limits<std::int64_t>::min()),
                                  Value::uint64(std::numeric_limits<std::uint64_t>::max()),
                                  Value::float32(0.1F),
                                  Value::float64(1.7976931348623157e308),
                                  Value::of_text(Kind::decimal, "1.10"),
                                  Value::of_text(Kind::text, "text \xC3\xA9 \"\\"),
                                  Value::of_text(Kind::text, "not UTF-8: \xFF\x00"sv),
                                  Value::of_text(Kind::bytes, "\x00\x01\xFE"sv),
                                  Value::of_text(Kind::json, R"({"a": 1.0, "a": 12345678901234567890123})"),
                                  Value::of_text(Kind::date, "2024-02-29"),
                                  Value::of_text(Kind::time, "23:59:59.5"),
                                  Value::of_text(Kind::datetime, "2024-02-29T12:00:00"),
                                  Value::of_text(Kind::timestamp, "2024-02-29T12:00:00Z")};
  std::vector<Value> all = values;
  const std::vector<Value> items{Value::int64(1), Value::null(), Value::of_text(Kind::text, "x")};
  all.push_back(Value::array(items));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < all.size(); ++i) names.push_back("c" + std::to_string(i));

  Event& event = add(*original, schema(names, {4, 9}));
  event.op = Op::update;
  event.before = image(*original, all);
  event.after = image(*original, all);

  BatchPtr again = batch();
  schema::Registry others;
  restore_kept(print_kept(*original, event), others, *again);
  ASSERT_EQ(again->size(), 1U);
  const Event& back = again->event(0);
  EXPECT_EQ(back.op, Op::update);
  EXPECT_TRUE(std::ranges::equal(back.before.values, all));
  EXPECT_TRUE(std::ranges::equal(back.after.values, all));
  EXPECT_EQ(back.schema->columns[17].name, "c17");
  EXPECT_EQ(back.schema->key, event.schema->key);
}

TEST_F(KeptEvent, ComesBackAsItWas) {
  BatchPtr original = batch();
  Event& event = add(*original, schema({"id"}, {0}));
  event.after = image(*original, {Value::int64(7)});
  event.locus = R"("lsn":"0/16B6C50","txId":731)";
  event.total_order = 3;
  event.ordinal = 2;
  event.fan_out = 1;
  event.tx_end = true;
  const std::vector<Header> headers{{"df-a", "1"}, {"df-b", "\xFF"}};
  const std::vector<std::string_view> tags{"one", "two"};
  Extra extra;
  extra.after = R"({"made":1.50})";
  extra.topic = "orders";
  extra.key = "\xFE";
  extra.headers = headers;
  extra.raw_payload = true;
  extra.tags = tags;
  extra.synthetic = "js";
  extra.members = R"("trace_id":"ab")";
  event.extra = &extra;

  BatchPtr again = batch();
  schema::Registry others;
  restore_kept(print_kept(*original, event), others, *again);
  ASSERT_EQ(again->size(), 1U);
  const Event& back = again->event(0);
  EXPECT_EQ(back.locus, event.locus);
  EXPECT_EQ(back.total_order, 3U);
  EXPECT_EQ(back.ordinal, 2U);
  EXPECT_EQ(back.fan_out, 1U);
  EXPECT_TRUE(back.tx_end);
  EXPECT_EQ(event_id(again->commits()[back.commit], back), event_id(original->commits()[0], event));
  EXPECT_EQ(again->commits()[0].transaction_id, "731");
  EXPECT_EQ(again->commits()[0].last, 1U);
  EXPECT_TRUE(again->marks().empty());
  ASSERT_NE(back.extra, nullptr);
  EXPECT_EQ(back.extra->after, extra.after);
  EXPECT_EQ(back.extra->topic, extra.topic);
  EXPECT_EQ(back.extra->key, extra.key);
  ASSERT_EQ(back.extra->headers.size(), 2U);
  EXPECT_EQ(back.extra->headers[1].value, "\xFF");
  EXPECT_TRUE(back.extra->raw_payload);
  EXPECT_THAT(back.extra->tags, ::testing::ElementsAre("one", "two"));
  EXPECT_EQ(back.extra->synthetic, "js");
  EXPECT_EQ(back.extra->members, extra.members);
  EXPECT_EQ(back.schema->full_name, "public.t");
  EXPECT_EQ(back.schema->name_hash, event.schema->name_hash);
}

TEST_F(KeptEvent, ADamagedOneIsAnErrorAndLeavesTheBatch) {
  BatchPtr original = batch();
  Event& event = add(*original, schema({"id"}, {0}));
  event.after = image(*original, {Value::int64(7)});
  const auto json = nlohmann::json::parse(print_kept(*original, event));
  BatchPtr again = batch();
  restore_kept(json.dump(), schemas_, *again);
  for (const char* place : {"/v", "/schema", "/schema/key", "/commit/id", "/event/after", "/event/op"}) {
    for (const nlohmann::json& value : {nlohmann::json(nullptr), nlohmann::json(7), nlohmann::json("x"),
                                        nlohmann::json::array({1, 2, 3}), nlohmann::json::object()}) {
      auto damaged = json;
      damaged[nlohmann::json::json_pointer(place)] = value;
      if (std::string_view(place) == "/event/after" && value.is_null()) continue;  // no image is one, too
      EXPECT_THROW(restore_kept(damaged.dump(), schemas_, *again), Error) << damaged.dump();
      EXPECT_EQ(again->size(), 1U);
      EXPECT_EQ(again->commits().size(), 1U);
    }
  }
  EXPECT_THROW(restore_kept("", schemas_, *again), Error);
}

TEST_F(KeptEvent, RowKeysAreOldAndNew) {
  const TableSchema* keyed = schema({"id", "note"}, {0});
  const TableSchema* keyless = schema({"note"}, {});
  BatchPtr events = batch();
  const auto event = [&](const TableSchema* of, std::optional<Value> before, std::optional<Value> after, Op op) {
    Event& made = add(*events, of);
    made.op = op;
    const auto of_row = [&](const Value& id) {
      std::vector<Value> values(of->columns.size());
      values[0] = id;
      return image(*events, values);
    };
    if (before) made.before = of_row(*before);
    if (after) made.after = of_row(*after);
    return row_keys(made);
  };
  const RowKeys one = event(keyed, {}, Value::int64(1), Op::create);
  const RowKeys moved = event(keyed, Value::int64(1), Value::int64(2), Op::update);
  const RowKeys two = event(keyed, Value::int64(2), {}, Op::remove);
  const RowKeys three = event(keyed, {}, Value::uint64(3), Op::create);
  const RowKeys again = event(keyed, Value::int64(3), Value::int64(3), Op::update);
  const RowKeys unlogged = event(keyed, Value::absent(), Value::int64(4), Op::update);
  const RowKeys truncate = event(keyed, {}, {}, Op::truncate);
  const RowKeys nobody = event(keyless, {}, Value::int64(1), Op::create);

  BlockedRows blocked;
  EXPECT_FALSE(blocked.blocks(one) || blocked.blocks(truncate));
  blocked.add(one);
  EXPECT_TRUE(blocked.blocks(one));
  EXPECT_TRUE(blocked.blocks(moved));
  EXPECT_FALSE(blocked.blocks(two));
  EXPECT_TRUE(blocked.blocks(truncate)) << "it removes the row";
  blocked.add(moved);
  EXPECT_TRUE(blocked.blocks(two));
  EXPECT_FALSE(blocked.blocks(three));
  blocked.add(three);
  EXPECT_TRUE(blocked.blocks(again)) << "the same value in another type";
  EXPECT_TRUE(blocked.blocks(event(keyed, {}, Value::of_text(Kind::text, "3"), Op::create)))
      << "the column is text now";
  EXPECT_FALSE(blocked.blocks(event(keyed, {}, Value::of_text(Kind::text, "03"), Op::create)));
  EXPECT_EQ(unlogged.rows.size(), 1U);
  EXPECT_TRUE(nobody.rows.empty());
  EXPECT_FALSE(blocked.blocks(nobody));
  blocked.add(truncate);
  EXPECT_TRUE(blocked.blocks(unlogged)) << "behind a TRUNCATE everything waits";
  BlockedRows none;
  none.add(nobody);
  EXPECT_TRUE(none.empty());
}

// What a processor has taken out of an image is not kept beside what it shows instead.
TEST_F(KeptEvent, OfAReplacedImageOnlyTheKeyIsKept) {
  BatchPtr original = batch();
  Event& event = add(*original, schema({"id", "email"}, {0}));
  event.op = Op::update;
  event.before = image(*original, {Value::int64(7), Value::of_text(Kind::text, "canary@before")});
  event.after = image(*original, {Value::int64(8), Value::of_text(Kind::text, "canary@after")});
  Extra extra;
  extra.after = R"({"id":8,"email":"#"})";
  event.extra = &extra;
  const std::string kept = print_kept(*original, event);
  EXPECT_THAT(kept, ::testing::Not(::testing::HasSubstr("canary@after")));
  EXPECT_THAT(kept, ::testing::HasSubstr("canary@before")) << "that image is its values";

  BatchPtr again = batch();
  schema::Registry others;
  restore_kept(kept, others, *again);
  const Event& back = again->event(0);
  EXPECT_EQ(row_keys(back).rows, row_keys(event).rows);
  EXPECT_EQ(back.extra->after, extra.after);
}

// As MySQL logs it with binlog_row_image = MINIMAL: of the new row only what changed.
TEST_F(KeptEvent, WhatTheNewRowLeavesOutIsAsItWas) {
  const TableSchema* keyed = schema({"shop", "number"}, {0, 1});
  BatchPtr events = batch();
  const auto row = [&](Op op, std::vector<Value> before, std::vector<Value> after) {
    Event& made = add(*events, keyed);
    made.op = op;
    if (!before.empty()) made.before = image(*events, before);
    if (!after.empty()) made.after = image(*events, after);
    return row_keys(made);
  };
  const auto value = [](std::int64_t number) { return Value::int64(number); };
  const RowKeys moved = row(Op::update, {value(1), value(7)}, {Value::absent(), value(8)});
  BlockedRows blocked;
  blocked.add(moved);
  EXPECT_TRUE(blocked.blocks(row(Op::remove, {value(1), value(7)}, {})));
  EXPECT_TRUE(blocked.blocks(row(Op::remove, {value(1), value(8)}, {}))) << "the new row";
  EXPECT_FALSE(blocked.blocks(row(Op::remove, {value(2), value(8)}, {})));
}

}  // namespace
}  // namespace deltaforge::pipeline
