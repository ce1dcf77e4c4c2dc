#include "schema/registry.h"

#include <algorithm>
#include <atomic>

#include "base/bytes.h"
#include "base/hash.h"

namespace deltaforge::schema {
namespace {

bool same_columns(const std::vector<Column>& a, const std::vector<Column>& b) {
  return std::ranges::equal(a, b,
                            [](const Column& x, const Column& y) { return x.name == y.name && x.type == y.type; });
}

bool same(const TableSchema& a, const TableSchema& b) {
  return a.full_name == b.full_name && a.table == b.table && a.schema == b.schema && a.database == b.database &&
         a.source_id == b.source_id && a.connector == b.connector && a.key == b.key &&
         same_columns(a.columns, b.columns);
}

// Unique in the process: encoders of several pipelines may share a cache.
std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

const TableSchema* Registry::intern(TableSchema&& schema) {
  auto& shapes = tables_[schema.full_name];
  for (const auto& known : shapes)
    if (same(*known, schema)) return known.get();
  schema.name_hash = xxh3_64(as_bytes(schema.full_name));
  schema.id = next_id();
  return shapes.emplace_back(std::make_unique<const TableSchema>(std::move(schema))).get();
}

}  // namespace deltaforge::schema
