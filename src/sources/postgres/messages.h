// Messages that applications write into the log, pg_logical_emit_message(), as rows of tables that are nowhere else: a
// prefix is a table in the schema of the outbox, its rows are what the messages hold. Source thread only.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json_text.h"
#include "base/pages.h"
#include "config/table_pattern.h"
#include "core/table_schema.h"
#include "schema/registry.h"
#include "sources/postgres/relations.h"

namespace deltaforge::sources::postgres {

class Messages {
 public:
  struct Table {
    const TableSchema* schema = nullptr;
    RowCounter counter;
  };

  // `prefixes`: patterns of those that are captured, in which a dot is a dot.
  Messages(const std::vector<std::string>& prefixes, std::string source_id, schema::Registry& registry);

  bool any() const { return !patterns_.empty(); }
  // A new connection: its database.
  void begin(std::string database);
  // Null: not captured.
  Table* find(std::string_view prefix);
  // What stands for the row: the content when it is JSON, else {"_base64":"..."}.
  std::string_view row(std::string_view content, Pages&);

 private:
  const std::string source_id_;
  schema::Registry& registry_;
  std::vector<config::TablePattern> patterns_;
  std::string database_;
  std::unordered_map<std::string, Table> tables_;  // by prefix
  JsonText json_;
};

// Why a pattern is none; empty: it is one.
std::string prefix_problem(std::string_view pattern);

}  // namespace deltaforge::sources::postgres
