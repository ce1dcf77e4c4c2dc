// The tables that the log has described on this connection, each with its plan for decoding rows. Kept by table id; an
// id means nothing after the server has restarted. Source thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/table_schema.h"
#include "schema/cache_count.h"
#include "schema/registry.h"
#include "sources/mysql/rows.h"
#include "sources/mysql/table_map.h"

namespace deltaforge::sources::mysql {

// Counts the rows of a table within a transaction. By name: an id changes with every ALTER.
struct RowCounter {
  std::uint64_t transaction = 0;
  std::uint32_t rows = 0;
};

struct Table {
  const TableSchema* schema = nullptr;  // null: not captured
  std::optional<RowPlan> plan;          // of a captured table that the log has described
  RowCounter* counter = nullptr;
  std::string body;  // of its TABLE_MAP, to recognise a repetition
};

// Asks MariaDB's catalogue about a table that needs hints. One a column, or none at all.
using HintLookup = std::function<std::vector<ColumnHint>(const TableMap&)>;

class TableCache {
 public:
  struct Origin {
    std::string source_id;
    std::string connector;  // "mysql", "mariadb"
    Flavor flavor = Flavor::mysql;
    std::function<bool(std::string_view database, std::string_view table)> is_outbox = {};  // none: no table is
  };
  using Captures = std::function<bool(std::string_view database, std::string_view table)>;

  TableCache(Origin origin, Captures captures, HintLookup hints, schema::Registry& registry,
             schema::CacheCount* count = nullptr)
      : origin_(std::move(origin)),
        captures_(std::move(captures)),
        hints_(std::move(hints)),
        registry_(registry),
        count_(count) {}

  // A TABLE_MAP event without header and checksum. The error of a captured table that cannot be decoded. Throws what
  // the lookup throws.
  Result<bool> put(Bytes body);
  // Null: the log has not described it.
  const Table* find(std::uint64_t id) const;
  // Whoever numbers the tables begins anew.
  void clear();

  bool captured(std::string_view database, std::string_view table) const;
  // For a statement that names a captured table without describing it (TRUNCATE): its latest shape, or one without
  // columns when the log has not shown any.
  const Table& named(const std::string& database, const std::string& table);

 private:
  const TableSchema* describe(const TableMap&);
  TableSchema blank(const std::string& database, const std::string& table) const;

  const Origin origin_;
  const Captures captures_;
  const HintLookup hints_;
  schema::Registry& registry_;
  schema::CacheCount* const count_;
  std::unordered_map<std::uint64_t, Table> tables_;
  std::unordered_map<std::string, RowCounter> counters_;        // by full name
  std::unordered_map<std::string, const TableSchema*> latest_;  // by full name
  std::unordered_map<std::string, Table> named_;
  mutable std::uint64_t last_id_ = 0;
  mutable const Table* last_ = nullptr;
};

bool is_system_database(std::string_view database);

}  // namespace deltaforge::sources::mysql
