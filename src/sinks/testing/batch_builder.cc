#include "sinks/testing/batch_builder.h"

#include <charconv>
#include <memory>
#include <utility>

#include "base/error.h"
#include "core/event_id.h"

namespace deltaforge::sinks::testing {
namespace {

constexpr std::int64_t kFirstCommitUs = 1'764'000'000'123'456;
constexpr std::string_view kHead = R"({"v":1,"n":)";

struct NumberPosition final : PositionData {
  std::uint64_t value = 0;
  std::unique_ptr<PositionData> clone() const override { return std::make_unique<NumberPosition>(*this); }
  void assign(const PositionData& other) override { *this = static_cast<const NumberPosition&>(other); }
};

}  // namespace

const TableSchema& orders() {
  static const TableSchema schema = [] {
    TableSchema s{.connector = "postgresql",
                  .source_id = "orders-db",
                  .database = "shop",
                  .schema = "public",
                  .table = "orders",
                  .full_name = "public.orders",
                  .columns = {{"id", "bigint"}, {"customer", "text"}, {"note", "text"}},
                  .key = {0},
                  .id = 1};
    s.name_hash = xxh3_64(as_bytes(s.full_name));
    return s;
  }();
  return schema;
}

Position position(std::uint64_t transaction) {
  auto data = std::make_unique<NumberPosition>();
  data->value = transaction;
  return Position(std::move(data));
}

std::uint64_t number(const Position& at) { return at.empty() ? 0 : at.as<NumberPosition>().value; }

std::string NumberCodec::print(const Position& at) const {
  return std::string(kHead) + std::to_string(number(at)) + "}";
}

Position NumberCodec::parse(std::string_view record, std::string_view where) const {
  std::uint64_t value = 0;
  if (record.starts_with(kHead) && record.ends_with('}')) {
    record.remove_prefix(kHead.size());
    record.remove_suffix(1);
    auto [end, error] = std::from_chars(record.data(), record.data() + record.size(), value);
    if (error == std::errc() && end == record.data() + record.size()) return position(value);
  }
  throw Error(ErrorKind::sink_state, "not a position record: " + std::string(where));
}

Batch& BatchBuilder::batch() {
  if (!open_) {
    open_ = BatchPtr(new Batch(budget_, *this));
    open_->seq = seq_;
    seq_ = next(seq_);
    first_ = 0;
  }
  return *open_;
}

Event& BatchBuilder::add(Op op) {
  Event& event = batch().add_event();
  event.schema = &orders();
  event.op = op;
  event.commit = static_cast<std::uint32_t>(open_->commits().size());
  event.total_order = event.ordinal = open_->size() - first_;
  event.locus = open_->pages().copy("\"lsn\":\"0/" + std::to_string(transaction_ + 1) +
                                    "\",\"txId\":" + std::to_string(transaction_ + 700));
  return event;
}

Image BatchBuilder::row(std::int64_t id, std::string_view note) {
  auto values = open_->pages().array<Value>(3);
  values[0] = Value::int64(id);
  values[1] = Value::of_text(Kind::text, open_->pages().copy("customer-" + std::to_string(id % 10)));
  values[2] = Value::of_text(Kind::text, open_->pages().copy(note));
  return {values, true};
}

Event& BatchBuilder::insert(std::int64_t id, std::string_view note) {
  Event& event = add(Op::create);
  event.after = row(id, note);
  return event;
}

Event& BatchBuilder::update(std::int64_t id, std::string_view old_note, std::string_view new_note) {
  Event& event = add(Op::update);
  event.before = row(id, old_note);
  event.after = row(id, new_note);
  return event;
}

Event& BatchBuilder::remove(std::int64_t id) {
  Event& event = add(Op::remove);
  event.before = row(id, "gone");
  return event;
}

Event& BatchBuilder::truncate() { return add(Op::truncate); }

Event& BatchBuilder::insert_poison(std::int64_t id) { return insert(id, "\xC3("); }

BatchBuilder& BatchBuilder::commit() {
  Batch& to = batch();
  ++transaction_;
  std::string id = std::to_string(transaction_ + 699);
  Commit record;
  record.mark = Mark::of(transaction_);
  record.ts_us = kFirstCommitUs + static_cast<std::int64_t>(transaction_) * 1000;
  record.id_hash = transaction_hash(orders().source_id, "1", "0/" + std::to_string(transaction_));
  record.transaction_id = to.pages().copy(id);
  record.first = first_;
  record.last = to.size();
  if (to.size() > first_) to.event(to.size() - 1).tx_end = true;
  to.commits().push_back(record);
  to.marks().push_back(record.mark);
  first_ = to.size();
  return *this;
}

Delivery BatchBuilder::build() {
  if (batch().size() > first_ || open_->commits().empty()) commit();
  std::uint32_t size = open_->size();
  Delivery delivery;
  delivery.batch = BatchRef(std::exchange(open_, nullptr));
  if (size > 0) delivery.ranges.push_back({0, size});
  delivery.after = position(transaction_);
  return delivery;
}

Delivery BatchBuilder::rows(std::int64_t first_id, std::int64_t rows) {
  for (std::int64_t id = first_id; id < first_id + rows; ++id) {
    insert(id);
    commit();
  }
  return build();
}

}  // namespace deltaforge::sinks::testing
