// The tables of the state database and the `kv` view for people with the sqlite3 shell (docs: checkpoints).
#pragma once

#include <string>

#include "storage/sqlite_connection.h"

namespace deltaforge::storage {

// Makes the tables in an empty database. Throws Error{config} for a database of something else or of a newer version.
void create_schema(Connection&, const std::string& path);
// Throws Error{state_lost} when the database that was open a moment ago has lost its tables, or is damaged.
void check_schema(Connection&, const std::string& path);

}  // namespace deltaforge::storage
