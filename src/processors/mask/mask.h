// Hides values of columns: in both images, in what processors before it wrote instead of them, and in the row's key.
// What stands behind it sees a table of another shape and never the values themselves. Event ids stay.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/component.h"
#include "processors/mask/config.h"
#include "processors/mask/rule_at_work.h"
#include "schema/registry.h"

namespace deltaforge::processors::mask {

class Mask final : public Processor {
 public:
  using Config = mask::Config;

  Mask(Config, const ProcessorContext&);

  // Throws Error{config} where a rule gives a column a name that the table has.
  void process(Batch&) override;

 private:
  struct Kept {
    std::uint32_t from;  // index in the columns that were
    RuleAtWork* rule;    // null: as it was
  };
  // What becomes of the events of a table.
  struct Table {
    std::vector<RuleAtWork*> rules;      // those for it; none: nothing
    const TableSchema* shown = nullptr;  // null: no rule is for a column of it
    std::vector<Kept> columns;           // of `shown`
    bool same_values = true;             // names aside
    bool renames = false;                // one of the rules does

    RuleAtWork* rule_of(std::string_view column) const;
  };

  const Table& table_of(const Event&);
  void reshape(const TableSchema&, Table&);
  Image image(const Image&, const Table&, Pages&);
  const Extra* extra(const Event&, const Table&, Pages&);
  std::string_view object(std::string_view json, const Event&, const Table&, Pages&);
  [[noreturn]] void fail(const TableSchema&, const std::string& from, const std::string& to) const;

  const Config config_;
  const std::string pipeline_;
  std::deque<RuleAtWork> rules_;                     // none of them moves
  std::unordered_map<std::uint64_t, Table> tables_;  // by schema id
  const TableSchema* last_ = nullptr;
  const Table* last_table_ = nullptr;
  schema::Registry shown_;
  Slab scratch_, out_;
};

void add(Catalogue&);

}  // namespace deltaforge::processors::mask
