#include "processors/testing/batch.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "core/event_id.h"
#include "encode/make_encoder.h"

namespace deltaforge::processors::testing {

TestBatch::TestBatch(std::uint32_t first)
    : encoder_(encode::make_encoder({}, {}, "")), batch_(new Batch(budget_, *this)), transaction_(first) {
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

Event& TestBatch::truncate() { return add(Op::truncate); }

void TestBatch::commit() {
  Commit commit;
  commit.mark = Mark::of(std::uint64_t{transaction_} + 1);
  commit.ts_us = 1764000000123456 + std::int64_t{transaction_} * 1000;
  commit.transaction_id = pages().copy(std::to_string(731 + transaction_));
  commit.id_hash = transaction_hash("orders-db", "1", fmt::format("0/{:X}", 0x16B6C50 + transaction_));
  commit.first = first_;
  commit.last = first_ = batch_->size();
  batch_->commits().push_back(commit);
  batch_->marks().push_back(commit.mark);
  ++transaction_;
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
  const std::string reason = refusal(index);
  return reason.empty() ? std::string(out_.view()) : reason;
}

std::string TestBatch::refusal(std::uint32_t index) {
  if (batch_->commits().empty()) commit();
  out_.truncate(0);
  return std::string(encoder_->encode(*batch_, batch_->event(index), out_));
}

}  // namespace deltaforge::processors::testing
