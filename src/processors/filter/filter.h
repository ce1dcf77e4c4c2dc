// Drops events by operation, table and fields of `after`. A dropped event still counts for the position.
#pragma once

#include <deque>
#include <unordered_map>

#include "core/component.h"
#include "obs/metrics.h"
#include "processors/filter/config.h"
#include "processors/filter/predicate.h"

namespace deltaforge::processors::filter {

class Filter final : public Processor {
 public:
  using Config = filter::Config;

  Filter(Config, const ProcessorContext&);

  void process(Batch&) override;

 private:
  bool passes(const Event&);
  bool table_passes(const TableSchema&);

  const Config config_;
  bool ops_[128] = {};                              // by the letter
  std::deque<Predicate> predicates_;                // none of them moves
  std::unordered_map<std::uint64_t, bool> tables_;  // by schema id: whether it passes
  const TableSchema* last_ = nullptr;
  bool last_passes_ = false;
  obs::Counter dropped_;
};

void add(Catalogue&);

}  // namespace deltaforge::processors::filter
