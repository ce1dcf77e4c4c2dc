#include "sources/postgres/relations.h"

#include <algorithm>

namespace deltaforge::sources::postgres {

bool is_system_schema(std::string_view schema) {
  return schema == "pg_catalog" || schema == "information_schema" || schema.starts_with("pg_toast") ||
         schema.starts_with("pg_temp");
}

void RelationCache::begin(RelationLookup& lookup, std::string database) {
  lookup_ = &lookup;
  origin_.database = std::move(database);
  relations_.clear();
  counters_.clear();
  types_ = {};
  last_ = nullptr;
}

const Relation* RelationCache::find(std::uint32_t oid) const {
  if (last_ != nullptr && last_oid_ == oid) return last_;
  auto found = relations_.find(oid);
  if (found == relations_.end()) return nullptr;
  last_oid_ = oid;
  return last_ = &found->second;
}

bool RelationCache::captured(const RelationMessage& message, const RelationFacts& facts) const {
  if (is_system_schema(message.schema)) return false;
  // A publication without publish_via_partition_root names the partitions, people name the table.
  return captures_(message.schema, message.table) ||
         std::ranges::any_of(facts.ancestors, [&](const auto& name) { return captures_(name.first, name.second); });
}

Result<bool> RelationCache::put(Bytes bytes) {
  auto parsed = read_relation(bytes);
  if (!parsed) return parsed.failure();
  const RelationMessage& message = *parsed;
  Relation& relation = relations_[message.id];
  // The server repeats itself after every ANALYZE. Under FULL the primary key may have changed without a trace here.
  if (relation.message == as_text(bytes) && message.identity != 'f') return true;

  RelationFacts facts = lookup_->look_up(message);
  types_.learn(facts.types);
  relation = {};
  relation.message = as_text(bytes);
  relation.identity = message.identity;
  if (!captured(message, facts)) return true;
  relation.schema = describe(message, facts);
  relation.counter = &counters_[relation.schema->full_name];
  for (const auto& column : message.columns) relation.columns.push_back({types_.get(column.type), column.in_identity});
  return true;
}

const TableSchema* RelationCache::describe(const RelationMessage& message, const RelationFacts& facts) {
  TableSchema schema;
  schema.connector = "postgresql";
  schema.source_id = origin_.source_id;
  schema.database = origin_.database;
  schema.schema = message.schema;
  schema.table = message.table;
  schema.full_name = schema.schema + "." + schema.table;
  for (std::size_t i = 0; i < message.columns.size(); ++i) {
    const auto& column = message.columns[i];
    std::string type = i < facts.column_types.size() ? facts.column_types[i] : "";
    if (type.empty()) type = "oid " + std::to_string(column.type);
    schema.columns.push_back({std::string(column.name), std::move(type)});
  }
  // The flags say which columns an old tuple holds. Under FULL that is all of them, which is no key. In both cases the
  // columns stand in table order, the only order that the log itself knows.
  for (std::uint32_t i = 0; i < message.columns.size(); ++i) {
    bool in_key = message.identity == 'f' ? std::ranges::count(facts.primary_key, message.columns[i].name) > 0
                                          : message.columns[i].in_identity;
    if (in_key) schema.key.push_back(i);
  }
  // A column list, or a rename that this row precedes: half a key is none.
  if (message.identity == 'f' && schema.key.size() != facts.primary_key.size()) schema.key.clear();
  return registry_.intern(std::move(schema));
}

}  // namespace deltaforge::sources::postgres
