#include "encode/native_json.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "encode/make_encoder.h"

namespace {
std::atomic<std::uint64_t> allocations{0};
}

// The whole test program counts. Not inlined: GCC takes an inlined free() for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* memory = operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace deltaforge::encode {
namespace {

class NativeJsonTest : public ::testing::Test, public BatchHome {
 protected:
  NativeJsonTest() {
    schema_ = {.connector = "postgresql",
               .source_id = "orders-db",
               .database = "shop",
               .schema = "public",
               .table = "orders",
               .full_name = "public.orders",
               .columns = {{"id", "bigint"}, {"note", "text"}, {"price", "numeric"}},
               .key = {0},
               .id = 41};
    schema_.name_hash = xxh3_64(as_bytes(schema_.full_name));
    Commit commit;
    commit.ts_us = 1764000000123456;
    commit.id_hash = transaction_hash("orders-db", "1", "0/16B6C50");
    commit.transaction_id = "731";
    batch_->commits().push_back(commit);
  }

  void recycle(Batch* batch) noexcept override { delete batch; }

  Image image(std::initializer_list<Value> values) {
    auto to = batch_->pages().array<Value>(values.size());
    std::copy(values.begin(), values.end(), to.begin());
    return {to, true};
  }
  Event& event(Op op) {
    Event& e = batch_->add_event();
    e.schema = &schema_;
    e.op = op;
    e.ordinal = e.total_order = 1;
    e.locus = R"("lsn":"0/16B6C50","txId":731)";
    return e;
  }
  std::string encode(const Event& e) {
    Slab out;
    out.append("kept");
    std::string reason(encoder_->encode(*batch_, e, out));
    if (!reason.empty()) {
      EXPECT_EQ(out.view(), "kept");
      return reason;
    }
    EXPECT_TRUE(nlohmann::json::accept(out.view().substr(4)));
    return std::string(out.view().substr(4));
  }

  PageBudget budget_{1 << 20};
  TableSchema schema_;
  BatchPtr batch_{new Batch(budget_, *this)};
  std::unique_ptr<Encoder> encoder_ = make_encoder({}, {}, "");
};

Value text(std::string_view t) { return Value::of_text(Kind::text, t); }

TEST_F(NativeJsonTest, AnInsert) {
  Event& e = event(Op::create);
  e.after = image({Value::int64(1), text("two\nlines"), Value::of_text(Kind::decimal, "9.90")});
  EXPECT_EQ(
      encode(e),
      R"({"before":null,"after":{"id":1,"note":"two\nlines","price":"9.90"},"source":{"version":")" DELTAFORGE_VERSION
      R"(","connector":"postgresql","name":"orders-db","ts_ms":1764000000123,"db":"shop","schema":"public",)"
      R"("table":"orders","lsn":"0/16B6C50","txId":731},"op":"c","ts_ms":1764000000123,)"
      R"("transaction":{"id":"731","total_order":1},"event_id":"019ab697-e87b-749b-9ba5-f0dd1ff96eed",)"
      R"("id":"019ab697-e87b-749b-9ba5-f0dd1ff96eed"})");
}

TEST_F(NativeJsonTest, AnUpdateWithEverything) {
  encoder_ = make_encoder({}, {}, "acme \"inc\"");
  Event& e = event(Op::update);
  e.before = image({Value::int64(1), Value::absent(), Value::absent()});
  e.after = image({Value::int64(2), Value::unchanged(), Value::null()});
  e.tx_end = true;
  e.total_order = 12;
  EXPECT_EQ(
      encode(e),
      R"({"before":{"id":1},"after":{"id":2,"note":{"_unchanged":true},"price":null},"source":{"version":")" DELTAFORGE_VERSION
      R"(","connector":"postgresql","name":"orders-db","ts_ms":1764000000123,"db":"shop","schema":"public",)"
      R"("table":"orders","lsn":"0/16B6C50","txId":731},"op":"u","ts_ms":1764000000123,)"
      R"("transaction":{"id":"731","total_order":12},"event_id":"019ab697-e87b-749b-9ba5-f0dd1ff96eed",)"
      R"("id":"019ab697-e87b-749b-9ba5-f0dd1ff96eed","tenant_id":"acme \"inc\"","tx_end":true})");
}

TEST_F(NativeJsonTest, WhatProcessorsAdded) {
  Event& e = event(Op::create);
  e.after = image({Value::int64(1), Value::null(), Value::null()});
  const std::string plain = encode(e);
  const std::string_view tags[] = {"a\"b", "c"};
  Extra extra;
  e.extra = &extra;
  EXPECT_EQ(encode(e), plain) << "nothing but an address";
  extra.tags = tags;
  extra.synthetic = "copies";
  extra.members = R"("trace_id":"x","processed_at":17)";
  e.tx_end = true;
  EXPECT_EQ(encode(e),
            plain.substr(0, plain.size() - 1) +
                R"(,"tags":["a\"b","c"],"synthetic":"copies","tx_end":true,"trace_id":"x","processed_at":17})");
}

TEST_F(NativeJsonTest, ARawPayloadHasNoEnvelope) {
  Event& e = event(Op::create);
  e.after = image({Value::int64(1), Value::null(), text("1.50")});
  Extra extra;
  extra.raw_payload = true;
  e.extra = &extra;
  for (const EnvelopeType type : {EnvelopeType::native, EnvelopeType::debezium, EnvelopeType::cloudevents}) {
    encoder_ = make_encoder({type, "com.example"}, {}, "acme");
    EXPECT_EQ(encode(e), R"({"id":1,"note":null,"price":"1.50"})");
  }
}

TEST_F(NativeJsonTest, InsideDebeziumsWrapper) {
  Event& e = event(Op::create);
  e.after = image({Value::int64(1), Value::null(), Value::null()});
  const std::string native = encode(e);
  encoder_ = make_encoder({EnvelopeType::debezium, ""}, {}, "");
  EXPECT_EQ(encode(e), R"({"schema":null,"payload":)" + native + "}");
  e.after = image({Value::int64(1), text("\xff"), Value::null()});
  EXPECT_NE(encode(e).find("not valid UTF-8"), std::string::npos);
}

TEST_F(NativeJsonTest, AsACloudEvent) {
  encoder_ = make_encoder({EnvelopeType::cloudevents, "com.example.cdc"}, {}, "acme");
  EXPECT_EQ(encoder_->content_type(), "application/cloudevents+json");
  Event& e = event(Op::create);
  e.after = image({Value::int64(1), text("a"), Value::null()});
  EXPECT_EQ(
      encode(e),
      R"({"specversion":"1.0","id":"019ab697-e87b-749b-9ba5-f0dd1ff96eed","source":"deltaforge/orders-db/public.orders",)"
      R"("type":"com.example.cdc.created","time":"2025-11-24T16:00:00.123Z","datacontenttype":"application/json",)"
      R"("subject":"public.orders","data":{"before":null,"after":{"id":1,"note":"a","price":null},"op":"c"}})");
  const std::pair<Op, const char*> kinds[] = {
      {Op::update, "updated"}, {Op::remove, "deleted"}, {Op::read, "snapshot"}, {Op::truncate, "truncated"}};
  for (auto [op, name] : kinds)
    EXPECT_NE(encode(event(op)).find(std::string(R"("type":"com.example.cdc.)") + name + '"'), std::string::npos);
  e.after = image({Value::int64(1), text("\xff"), Value::null()});
  EXPECT_NE(encode(e).find("not valid UTF-8"), std::string::npos);
}

TEST_F(NativeJsonTest, WhatSaysNothingIsLeftOut) {
  schema_.schema.clear();
  schema_.connector = "mysql";
  batch_->commits()[0].transaction_id = {};
  Event& e = event(Op::truncate);
  e.locus = {};
  EXPECT_EQ(encode(e),
            R"({"before":null,"after":null,"source":{"version":")" DELTAFORGE_VERSION
            R"(","connector":"mysql","name":"orders-db","ts_ms":1764000000123,"db":"shop","table":"orders"},"op":"t",)"
            R"("ts_ms":1764000000123,"event_id":"019ab697-e87b-749b-9ba5-f0dd1ff96eed",)"
            R"("id":"019ab697-e87b-749b-9ba5-f0dd1ff96eed"})");
}

TEST_F(NativeJsonTest, AnImageOfAbsentColumnsIsAnEmptyObject) {
  Event& e = event(Op::remove);
  e.before = image({Value::absent(), Value::absent(), Value::absent()});
  EXPECT_TRUE(encode(e).starts_with(R"({"before":{},"after":null,)"));
}

TEST_F(NativeJsonTest, NamesAreEscapedAndTablesNotMixedUp) {
  TableSchema other = schema_;
  other.id = 42;
  other.table = "odd \"name\"";
  other.columns[1].name = "схема\n\"";
  Event& e = event(Op::create);
  e.after = image({Value::int64(1), text("a"), Value::null()});
  std::string first = encode(e);
  e.schema = &other;
  std::string second = encode(e);
  EXPECT_NE(second.find(R"("table":"odd \"name\"")"), std::string::npos);
  EXPECT_NE(second.find(R"("схема\n\"":"a")"), std::string::npos);
  e.schema = &schema_;
  EXPECT_EQ(encode(e), first);
}

TEST_F(NativeJsonTest, TimesFollowTheCommit) {
  Commit later = batch_->commits()[0];
  later.ts_us = -1'500;
  batch_->commits().push_back(later);
  Event& e = event(Op::truncate);
  EXPECT_NE(encode(e).find(R"("op":"t","ts_ms":1764000000123,)"), std::string::npos);
  e.commit = 1;
  EXPECT_NE(encode(e).find(R"("op":"t","ts_ms":-1,)"), std::string::npos);
  e.commit = 0;
  EXPECT_NE(encode(e).find(R"("op":"t","ts_ms":1764000000123,)"), std::string::npos);
}

// The encoder keeps what neighbours share.
TEST_F(NativeJsonTest, EachEventNamesItsOwnCommit) {
  const std::int64_t ts_us = batch_->commits()[0].ts_us;
  auto add = [&](std::int64_t later_us, std::string_view id) {
    Commit commit = batch_->commits()[0];
    commit.ts_us = ts_us + later_us;
    commit.transaction_id = id;
    batch_->commits().push_back(commit);
  };
  add(0, "732");
  add(1000, "732");
  add(1000, "");
  Event& e = event(Op::create);
  for (std::uint32_t commit : {0u, 1u, 2u, 1u, 0u, 3u, 2u}) {
    e.commit = commit;
    const auto body = nlohmann::json::parse(encode(e));
    const Commit& of = batch_->commits()[commit];
    EXPECT_EQ(body["source"]["ts_ms"], of.ts_us / 1000);
    EXPECT_EQ(body["ts_ms"], of.ts_us / 1000);
    if (of.transaction_id.empty())
      EXPECT_FALSE(body.contains("transaction"));
    else
      EXPECT_EQ(body["transaction"]["id"], std::string(of.transaction_id));
  }
}

TEST_F(NativeJsonTest, ARefusalNamesTheColumn) {
  Event& e = event(Op::create);
  e.after = image({Value::int64(1), text("ab\xFF"), Value::null()});
  EXPECT_EQ(
      encode(e),
      "column \"note\": the value is not valid UTF-8 from its byte 3 on; mend the value in the database; a database "
      "with encoding SQL_ASCII takes any bytes");
  Event& next = event(Op::create);
  next.after = image({Value::int64(2), text("fine"), Value::null()});
  EXPECT_TRUE(encode(next).starts_with(R"({"before":null,"after":{"id":2,)"));
  TableSchema odd = schema_;
  odd.id = 43;
  odd.columns[2].name = "\xC3(";
  next.schema = &odd;
  EXPECT_EQ(encode(next), "the name of a column of \"public.orders\" is not valid UTF-8");
}

TEST_F(NativeJsonTest, AWarmEncoderAllocatesNothing) {
  TableSchema other = schema_;
  other.id = 44;
  std::vector<const Event*> events;
  for (int i = 0; i < 10'000; ++i) {
    Event& e = event(i % 3 == 0 ? Op::update : Op::create);
    e.schema = i % 2 == 0 ? &schema_ : &other;
    e.after = image({Value::int64(i), text("a text of some length, with \"quotes\" and ünïcode"), Value::float64(i)});
    if (e.op == Op::update) e.before = image({Value::int64(i), Value::absent(), Value::null()});
    events.push_back(&e);
  }
  Slab out;
  auto encode_all = [&] {
    for (const Event* e : events) {
      if (out.full()) out.clear();
      ASSERT_TRUE(encoder_->encode(*batch_, *e, out).empty());
    }
  };
  encode_all();
  const char* memory = out.data();
  std::uint64_t before = allocations.load();
  encode_all();
  EXPECT_EQ(allocations.load() - before, 0u);
  EXPECT_EQ(out.data(), memory) << "the slab grew";
}

}  // namespace
}  // namespace deltaforge::encode
