#include "sources/mysql/tables.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/outbox.h"
#include "sources/mysql/column_name.h"
#include "sources/mysql/errors.h"
#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {
namespace {

constexpr std::size_t kTableId = 6;

}  // namespace

bool is_system_database(std::string_view database) {
  constexpr std::array<std::string_view, 4> kSystem{"mysql", "information_schema", "performance_schema", "sys"};
  return std::ranges::find(kSystem, database) != kSystem.end();
}

bool TableCache::captured(std::string_view database, std::string_view table) const {
  return !is_system_database(database) && captures_(database, table);
}

void TableCache::clear() {
  tables_.clear();
  last_ = nullptr;
}

const Table* TableCache::find(std::uint64_t id) const {
  if (last_ != nullptr && last_id_ == id) return last_;
  auto found = tables_.find(id);
  if (found == tables_.end()) return nullptr;
  last_id_ = id;
  return last_ = &found->second;
}

Result<bool> TableCache::put(Bytes body) {
  Reader in(body);
  const std::uint64_t id = in.natural(kTableId);
  if (!in.ok()) return DecodeFailure{"the table map ends early", 0};
  Table& table = tables_[id];
  const bool known = table.body == as_text(body);
  if (count_ != nullptr) count_->count(known);
  if (known) return true;

  auto name = read_table_name(body);
  if (!name) return name.failure();
  table = {};
  last_ = nullptr;
  if (!captured(name->database, name->table)) {
    table.body = as_text(body);
    return true;
  }
  auto map = read_table_map(body, origin_.flavor);
  if (!map) return map.failure();
  if (!map->has_names)
    return DecodeFailure{
        fmt::format("the log holds no column names of {}.{}: it was written while binlog_row_metadata was not FULL",
                    map->database, map->table),
        0,
        std::string("SET GLOBAL binlog_row_metadata = 'FULL'; what was written before stays without names: ") +
            kBeginAfresh};
  std::vector<ColumnHint> hints;
  if (origin_.flavor == Flavor::mariadb && std::ranges::any_of(map->columns, needs_hint)) hints = hints_(*map);
  auto plan = RowPlan::make(*map, hints);
  if (!plan) return plan.failure();
  table.plan = std::move(*plan);
  table.schema = describe(*map);
  table.counter = &counters_[table.schema->full_name];
  table.body = as_text(body);
  return true;
}

TableSchema TableCache::blank(const std::string& database, const std::string& table) const {
  TableSchema schema;
  schema.connector = origin_.connector;
  schema.source_id = origin_.source_id;
  schema.database = database;
  if (origin_.is_outbox && origin_.is_outbox(database, table)) schema.schema = kOutboxSchema;
  schema.table = table;
  schema.full_name = database + "." + table;
  return schema;
}

const TableSchema* TableCache::describe(const TableMap& map) {
  TableSchema schema = blank(map.database, map.table);
  for (const TableColumn& column : map.columns) schema.columns.push_back({column.name, column_type_name(column)});
  // Part of a column's text is no key.
  for (const KeyPart& part : map.primary_key) schema.key.push_back(part.column);
  const TableSchema* interned = registry_.intern(std::move(schema));
  latest_[interned->full_name] = interned;
  return interned;
}

const Table& TableCache::named(const std::string& database, const std::string& table) {
  const std::string full_name = database + "." + table;
  Table& result = named_[full_name];
  auto known = latest_.find(full_name);
  result.schema = known != latest_.end() ? known->second : registry_.intern(blank(database, table));
  result.counter = &counters_[full_name];
  return result;
}

}  // namespace deltaforge::sources::mysql
