// Which rows an event is about: the primary keys of its images, old and new. Events of one row must not pass each other
// where one of them waits.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "core/event.h"

namespace deltaforge::pipeline {

struct RowKeys {
  std::uint64_t table = 0;          // name_hash
  std::vector<std::uint64_t> rows;  // hashes; none: the table has no key, or the event is no row's
  bool whole_table = false;         // TRUNCATE: it is about every row
};

RowKeys row_keys(const Event&);

// The rows whose events must wait.
class BlockedRows {
 public:
  bool empty() const { return tables_.empty(); }
  void clear();
  void add(const RowKeys&);
  bool blocks(const RowKeys&) const;
  // A cheap no for most events.
  bool knows_table(std::uint64_t table) const { return tables_.contains(table); }

 private:
  std::unordered_set<std::uint64_t> rows_, tables_, whole_tables_;
};

}  // namespace deltaforge::pipeline
