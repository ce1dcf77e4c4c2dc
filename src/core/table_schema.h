// What is known of a table at one position of the log. Immutable once published; made by a source, kept by that
// source's registry (schema/registry.h) for as long as the pipeline lives, so that events may point at it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace deltaforge {

struct Column {
  std::string name;
  std::string type;  // the database's own spelling, for people: "numeric(10,2)"
};

struct TableSchema {
  std::string connector;  // "postgresql", "mysql", "mariadb"
  std::string source_id;  // `source.name` of events
  std::string database;   // `source.db`
  std::string schema;     // `source.schema`; empty for databases that have none
  std::string table;
  std::string full_name;  // "schema.table" (PostgreSQL) or "db.table" (MySQL): event ids, keys, messages
  std::vector<Column> columns;
  std::vector<std::uint32_t> key;  // indexes into columns, in key order; empty: the table has no key
  std::uint64_t name_hash = 0;     // XXH3-64 of full_name
  std::uint64_t id = 0;            // unique within the process: caches are keyed by it
};

}  // namespace deltaforge
