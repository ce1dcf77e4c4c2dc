// A batch for tests of processors: rows of public.orders(id bigint primary key, status text, total numeric, doc jsonb,
// tags text[]), and what a sink would write of them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/slab.h"
#include "core/batch.h"
#include "core/encoder.h"
#include "core/processor.h"

namespace deltaforge::processors::testing {

class TestBatch final : public BatchHome {
 public:
  // Its transactions are numbered from `first`, and have ids of their own.
  explicit TestBatch(std::uint32_t first = 0);

  // In the open transaction.
  Event& insert(std::initializer_list<Value> row);
  Event& update(std::initializer_list<Value> before, std::initializer_list<Value> after);
  Event& remove(std::initializer_list<Value> before);
  Event& truncate();
  // Ends it; without rows it only moves the position.
  void commit();

  Batch& batch() { return *batch_; }
  Pages& pages() { return batch_->pages(); }
  TableSchema& schema() { return schema_; }
  // Ids of the rows that are left.
  std::vector<std::int64_t> left() const;
  // The native event of the row at `index`.
  std::string text(std::uint32_t index);
  // Why it has none; "": it has.
  std::string refusal(std::uint32_t index);

  void recycle(Batch* batch) noexcept override { delete batch; }

 private:
  Event& add(Op op);
  Image image(std::initializer_list<Value> row);

  PageBudget budget_{1 << 24};
  std::unique_ptr<Encoder> encoder_;
  Slab out_;
  TableSchema schema_;
  BatchPtr batch_;
  std::uint32_t first_ = 0;  // event of the open transaction
  std::uint32_t transaction_;
};

inline Value text(std::string_view t) { return Value::of_text(Kind::text, t); }
inline Value number(std::int64_t n) { return Value::int64(n); }
inline Value decimal(std::string_view t) { return Value::of_text(Kind::decimal, t); }
inline Value json(std::string_view t) { return Value::of_text(Kind::json, t); }

}  // namespace deltaforge::processors::testing
