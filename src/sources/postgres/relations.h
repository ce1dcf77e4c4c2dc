// The relation cache: what the Relation messages of this stream said, with what only the catalogue knows added, as a
// plan for decoding rows. Replaced by OID at every Relation message, so DDL in the middle of a transaction is followed
// row by row. Source thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/table_schema.h"
#include "schema/cache_count.h"
#include "schema/registry.h"
#include "sources/postgres/pgoutput.h"
#include "sources/postgres/types.h"

namespace deltaforge::sources::postgres {

// What the catalogue says of a relation just now. Names that it no longer knows are empty.
struct RelationFacts {
  std::vector<std::string> key;                                // columns of the identity's index, or the primary key
  std::vector<std::string> column_types;                       // one per column of the message: "numeric(10,2)"
  std::vector<TypeRow> types;                                  // of the columns, with their base and element types
  std::vector<std::pair<std::string, std::string>> ancestors;  // (schema, table): of a partition, up to its root
};

class RelationLookup {
 public:
  virtual ~RelationLookup() = default;
  virtual RelationFacts look_up(const RelationMessage&) = 0;
};

// Counts the rows of a table within a transaction. By name, not by OID: a table that is dropped and made again within
// one transaction goes on counting, or its event ids would come twice.
struct RowCounter {
  std::uint64_t transaction = 0;
  std::uint32_t rows = 0;
};

struct Relation {
  struct Column {
    const Type* type = nullptr;
    bool in_identity = false;
  };
  const TableSchema* schema = nullptr;  // null: the table is not captured
  std::vector<Column> columns;
  RowCounter* counter = nullptr;
  char identity = 'd';
  std::string message;  // as it came, to recognise a repetition
};

class RelationCache {
 public:
  struct Origin {
    std::string source_id;
    std::string database;
  };
  using Captures = std::function<bool(std::string_view schema, std::string_view table)>;

  RelationCache(Origin origin, Captures captures, schema::Registry& registry, schema::CacheCount* count = nullptr)
      : origin_(std::move(origin)), captures_(std::move(captures)), registry_(registry), count_(count) {}

  // A new connection: the server will send every relation again.
  void begin(RelationLookup& lookup, std::string database);
  // A Relation message. Throws what the lookup throws.
  Result<bool> put(Bytes message);
  // Null: the stream has not described it.
  const Relation* find(std::uint32_t oid) const;

 private:
  bool captured(const RelationMessage&, const RelationFacts&) const;
  const TableSchema* describe(const RelationMessage&, const RelationFacts&);

  Origin origin_;
  Captures captures_;
  schema::Registry& registry_;
  schema::CacheCount* count_;
  RelationLookup* lookup_ = nullptr;
  TypeTable types_;
  std::unordered_map<std::uint32_t, Relation> relations_;
  std::unordered_map<std::string, RowCounter> counters_;
  // The last one found: rows come in runs of one table.
  mutable std::uint32_t last_oid_ = 0;
  mutable const Relation* last_ = nullptr;
};

bool is_system_schema(std::string_view schema);

}  // namespace deltaforge::sources::postgres
