// Which rows an event is about: the primary keys of its images, old and new. Events of one row must not pass each other
// where one of them waits.
#pragma once

#include <compare>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/event.h"

namespace deltaforge::pipeline {

struct RowKeys {
  std::uint64_t table = 0;          // name_hash
  std::vector<std::uint64_t> rows;  // hashes; none: the table has no key, or the event is no row's
  bool whole_table = false;         // TRUNCATE: it is about every row
};

RowKeys row_keys(const Event&);

// Where an event stands among those that were read: the log (those of several servers are numbered as they came), the
// place of its transaction in there, its own in the transaction. Whoever reads the log again finds the same.
struct Order {
  std::uint64_t log = 0, at = 0, event = 0;
  auto operator<=>(const Order&) const = default;
};
inline constexpr Order kBehindAll{~std::uint64_t{0}, 0, 0};

// The rows whose events must wait: those behind the first that is kept of the row.
class BlockedRows {
 public:
  bool empty() const { return tables_.empty(); }
  void add(const RowKeys&, Order = {});
  bool blocks(const RowKeys&, Order = kBehindAll) const;
  // A cheap no for most events.
  bool knows_table(std::uint64_t table) const { return tables_.contains(table); }

 private:
  using Firsts = std::unordered_map<std::uint64_t, Order>;
  static void add(Firsts&, std::uint64_t key, Order);
  static bool blocks(const Firsts&, std::uint64_t key, Order);

  Firsts rows_, tables_, whole_tables_;
};

}  // namespace deltaforge::pipeline
