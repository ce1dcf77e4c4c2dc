// Frozen batches with typed rows, as a pipeline would hand them to a sink, and positions that are plain numbers:
// position n has the transactions 1..n.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/batch.h"
#include "core/position.h"
#include "core/sink.h"

namespace deltaforge::sinks::testing {

// public.orders(id bigint primary key, customer text, note text) of the database `shop`, source `orders-db`.
const TableSchema& orders();

Position position(std::uint64_t transaction);
std::uint64_t number(const Position&);  // 0 for an empty one

// {"v":1,"n":7}
class NumberCodec final : public PositionCodec {
 public:
  std::string print(const Position&) const override;
  Position parse(std::string_view record, std::string_view where) const override;
};

// Must outlive every batch that it built.
class BatchBuilder final : public BatchHome {
 public:
  // Transactions are numbered from `first`.
  explicit BatchBuilder(std::uint64_t first = 1) : transaction_(first - 1) {}

  // Rows belong to the open transaction; the first row after a commit() opens the next one.
  Event& insert(std::int64_t id, std::string_view note = "a note");
  Event& update(std::int64_t id, std::string_view old_note, std::string_view new_note);
  Event& remove(std::int64_t id);
  Event& truncate();
  // A row that no encoder takes: its note is not UTF-8.
  Event& insert_poison(std::int64_t id);
  // Ends the transaction; without rows it is a position-only record.
  BatchBuilder& commit();

  // Commits what is open, freezes the batch and asks for all of it. The next row starts the next batch.
  Delivery build();
  // `rows` transactions of one inserted row each, with ids from `first_id`.
  Delivery rows(std::int64_t first_id, std::int64_t rows);

  void recycle(Batch* batch) noexcept override { delete batch; }

 private:
  Batch& batch();
  Event& add(Op op);
  Image row(std::int64_t id, std::string_view note);

  PageBudget budget_{64 * 1024 * 1024};
  BatchPtr open_;
  std::uint32_t first_ = 0;  // first event of the open transaction
  std::uint64_t transaction_;
  BatchSeq seq_{1};
};

}  // namespace deltaforge::sinks::testing
