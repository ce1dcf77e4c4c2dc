// How an outbox event is known: its table stands in this schema, whatever the database says, until a processor has made
// the application's own event of it. The table's database, name and full name (so its ids and keys) are as ever.
#pragma once

#include <string>
#include <string_view>

#include "core/table_schema.h"

namespace deltaforge {

inline constexpr std::string_view kOutboxSchema = "__outbox";

inline bool is_outbox(const TableSchema& table) { return table.schema == kOutboxSchema; }

// What the first part of a table pattern is compared with.
inline const std::string& qualifier_of(const TableSchema& table) {
  return table.schema.empty() || is_outbox(table) ? table.database : table.schema;
}

}  // namespace deltaforge
