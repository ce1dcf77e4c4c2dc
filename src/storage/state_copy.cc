#include "storage/state_copy.h"

#include "storage/memory_store.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_schema.h"

namespace deltaforge::storage {

StateCopy copy_state(const FoundState& found, std::span<const char* const> namespaces) {
  StateCopy copy;
  copy.store = std::make_unique<MemoryStore>();
  if (!found.exists) return copy;
  Connection connection = Connection::of_reader(found.database);
  if (!has_schema(connection, found.database)) return copy;
  check_schema(connection, found.database);
  std::vector<Store::Entry> entries;
  for (const char* ns : namespaces) {
    Query query = connection.query("SELECT key, value FROM df_kv WHERE ns = ? ORDER BY key");
    query.bind(ns);
    while (query.step()) entries.push_back({ns, query.text(0), query.text(1)});
  }
  copy.store->put(entries);
  copy.resets = read_resets(connection);
  return copy;
}

}  // namespace deltaforge::storage
