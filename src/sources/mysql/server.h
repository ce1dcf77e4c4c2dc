// What the server says of itself, and whether the binary log may be read there. Reading asks; checking is pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sources/mysql/binlog_position.h"
#include "sources/mysql/connection.h"
#include "sources/mysql/place.h"
#include "sources/mysql/table_map.h"

namespace deltaforge::sources::mysql {

struct ServerFacts {
  Flavor flavor = Flavor::mysql;
  std::string version;
  std::string uuid;  // MySQL
  std::uint32_t server_id = 0;
  std::map<std::string, std::string> variables;  // those of kVariables that the server has
  std::vector<std::string> grants;               // SHOW GRANTS

  std::string variable(const std::string& name) const {
    auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  }
  // Whose log it is, as in LogFile.
  std::string key() const { return flavor == Flavor::mysql ? uuid : std::to_string(server_id); }
  bool on(const std::string& name) const { return variable(name) == "ON" || variable(name) == "1"; }
};

ServerFacts read_server(Session&);

// Each throws one Error that names everything that is missing, each with its statement.
void check_settings(const ServerFacts&);
void check_grants(const ServerFacts&, const std::string& user);
// Both, settings first.
void check_server(const ServerFacts&, const std::string& user);

// The end of the log just now: where a pipeline without a position begins.
BinlogPosition read_tail(Session&, const ServerFacts&);
// The same, cheaply; on MariaDB the GTIDs may be those of a moment later.
BinlogPosition read_end(Session&, const ServerFacts&);

// The files of the binary log, oldest first: name and size.
using SizedFile = std::pair<std::string, std::uint64_t>;
std::vector<SizedFile> read_files(Session&);

// What the server has, as far as it decides whether a stored position can be continued.
struct SeenTable {
  std::string database, name;
};

// Those that the user may see, which are not all that are in the log. None of the system's.
std::vector<SeenTable> read_tables(Session&);
// Of these, whose engine is BLACKHOLE and whose key is counted up: by an engine that keeps no count.
std::vector<SeenTable> read_tables_that_forget(Session&);

struct LogFacts {
  BinlogPosition tail;
  GtidSet purged;  // MySQL
  std::vector<SizedFile> files;
  // MariaDB: the GTID position at the place of the log that a position names; none when the place is not there, or the
  // server cannot tell.
  std::optional<std::string> mariadb_at_place;
  // MySQL: the first place behind the file that a position names where transactions have no GTID; empty: there is none.
  std::string without_gtid;
};
LogFacts read_log(Session&, const ServerFacts&, const BinlogPosition& asked);

// Throws Error{position_lost, ...} when the server cannot continue from `stored`, or never had what it holds.
void check_position(const BinlogPosition& stored, const ServerFacts&, const LogFacts&);
// A lane's own position: the server must have all that it has. What the server purged is judged by the meet.
void check_lane(const BinlogPosition& stored, const ServerFacts&, const LogFacts&);
// While a stream that began at `start` has come to `read`: a log that ends before that is another one.
void check_end(const BinlogPosition& end, const BinlogPosition& start, const ServerFacts&, const Place& read);

}  // namespace deltaforge::sources::mysql
