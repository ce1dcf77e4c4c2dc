#include "processors/testing/batch.h"

#include <algorithm>

#include "base/hash.h"
#include "core/event_id.h"
#include "encode/make_encoder.h"

namespace deltaforge::processors::testing {

TestBatch::TestBatch() : batch_(new Batch(budget_, *this)) {
  schema_ = {
      .connector = "postgresql",
      .source_id = "orders-db",
      .database = "shop",
      .schema = "public",
      .table = "orders",
      .full_name = "public.orders",
      .columns = {{"id", "bigint"}, {"status", "text"}, {"total", "numeric"}, {"doc", "jsonb"}, {"tags", "text[]"}},
      .key = {0},
      .id = 71};
  schema_.name_hash = xxh3_64(as_bytes(schema_.full_name));
}

Event& TestBatch::add(Op op) {
  Event& event = batch_->add_event();
  event.schema = &schema_;
  event.op = op;
  event.commit = static_cast<std::uint32_t>(batch_->commits().size());
  event.ordinal = event.total_order = batch_->size() - first_;
  return event;
}

Image TestBatch::image(std::initializer_list<Value> row) {
  auto to = pages().array<Value>(schema_.columns.size());
  std::fill(to.begin(), to.end(), Value::null());
  std::copy(row.begin(), row.end(), to.begin());
  return {to, true};
}

Event& TestBatch::insert(std::initializer_list<Value> row) {
  Event& event = add(Op::create);
  event.after = image(row);
  return event;
}

Event& TestBatch::update(std::initializer_list<Value> before, std::initializer_list<Value> after) {
  Event& event = add(Op::update);
  event.before = image(before);
  event.after = image(after);
  return event;
}

Event& TestBatch::remove(std::initializer_list<Value> before) {
  Event& event = add(Op::remove);
  event.before = image(before);
  return event;
}

void TestBatch::commit() {
  Commit commit;
  commit.ts_us = 1764000000123456;
  commit.transaction_id = "731";
  commit.id_hash = transaction_hash("orders-db", "1", "0/16B6C50");
  commit.first = first_;
  commit.last = first_ = batch_->size();
  batch_->commits().push_back(commit);
}

std::vector<std::int64_t> TestBatch::left() const {
  std::vector<std::int64_t> ids;
  for (std::uint32_t i = 0; i < batch_->size(); ++i) {
    const Event& event = static_cast<const Batch&>(*batch_).event(i);
    if (!event.dropped) ids.push_back((event.after.present ? event.after : event.before).values[0].as_int64());
  }
  return ids;
}

std::string TestBatch::text(std::uint32_t index) {
  if (batch_->commits().empty()) commit();
  Slab out;
  const auto encoder = encode::make_encoder({}, {}, "");
  const std::string_view reason = encoder->encode(*batch_, batch_->event(index), out);
  return std::string(reason.empty() ? out.view() : reason);
}

}  // namespace deltaforge::processors::testing
