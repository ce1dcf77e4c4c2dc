#include "sources/postgres/relations.h"

#include <algorithm>

namespace deltaforge::sources::postgres {
namespace {

// The flags say which columns an old tuple holds; under FULL that is all of them, which is no key. The order of a key
// stands only in the catalogue, which may speak of a later key than this row's: then it is that of the table.
std::vector<std::uint32_t> key_of(const RelationMessage& message, const RelationFacts& facts) {
  std::vector<std::uint32_t> flagged, named;
  for (std::uint32_t i = 0; i < message.columns.size(); ++i)
    if (message.columns[i].in_identity) flagged.push_back(i);
  for (const std::string& name : facts.key) {
    auto found = std::ranges::find(message.columns, name, &RelationMessage::Column::name);
    if (found != message.columns.end()) named.push_back(static_cast<std::uint32_t>(found - message.columns.begin()));
  }
  // A column list, a generated column that is not sent, a rename that this row precedes: half a key is none.
  const bool whole = named.size() == facts.key.size();
  if (message.identity == 'f') return whole ? named : std::vector<std::uint32_t>{};
  if (!whole && std::ranges::is_permutation(flagged, named)) return {};
  return std::ranges::is_permutation(flagged, named) ? named : flagged;
}

}  // namespace

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
  const bool known = relation.message == as_text(bytes) && message.identity != 'f';
  if (count_ != nullptr) count_->count(known);
  if (known) return true;

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
  schema.key = key_of(message, facts);
  return registry_.intern(std::move(schema));
}

}  // namespace deltaforge::sources::postgres
