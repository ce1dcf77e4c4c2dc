// The tables of the state database and the `kv` view for people with the sqlite3 shell (docs: checkpoints).
#pragma once

#include <string>
#include <vector>

#include "storage/sqlite_connection.h"

namespace deltaforge::storage {

// Whether it has our tables; an empty database has none. Throws Error{config} for a database of something else or of a
// newer version.
bool has_schema(Connection&, const std::string& path);
// Makes the tables where there are none.
void create_schema(Connection&, const std::string& path);
// Throws Error{state_lost} when the database that was open a moment ago has lost its tables, or is damaged.
void check_schema(Connection&, const std::string& path);
// Store::resets(). A position that was written again since (the engine was running when it was removed) is no reset.
std::vector<std::string> read_resets(Connection&);

}  // namespace deltaforge::storage
