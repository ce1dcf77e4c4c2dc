// One rule of a mask: which columns it is for, and what others see of their values. Transform thread only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hmac.h"
#include "base/pages.h"
#include "base/slab.h"
#include "config/table_pattern.h"
#include "core/table_schema.h"
#include "core/value.h"
#include "processors/mask/config.h"

namespace deltaforge::processors::mask {

class RuleAtWork {
 public:
  explicit RuleAtWork(const Rule&);  // which outlives it

  const Rule& rule() const { return rule_; }
  bool is_for_table(const TableSchema&) const;
  bool is_for_column(std::string_view name) const;
  bool drops() const { return rule_.action == Action::drop; }
  bool renames() const { return rule_.action == Action::rename; }
  // Columns that it names, of a table that it names, and that the table does not have.
  std::vector<std::string> missing(const TableSchema&) const;

  // Of a value, or of a member of JSON that stands for one (Kind::json). NULL, and what the log does not tell, stay.
  Value apply(const Value&, Pages&, Slab& scratch);

 private:
  Value hashed(const Value&, Pages&, Slab& scratch);
  Value truncated(const Value&, Pages&, Slab& scratch) const;

  const Rule& rule_;
  std::vector<config::TablePattern> columns_;
  std::string to_;
  std::optional<Hmac> hmac_;
};

}  // namespace deltaforge::processors::mask
