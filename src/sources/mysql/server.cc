#include "sources/mysql/server.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/error.h"
#include "sources/mysql/errors.h"
#include "sources/mysql/tables.h"

namespace deltaforge::sources::mysql {
namespace {

constexpr std::string_view kVariables =
    "'log_bin','binlog_format','binlog_row_image','binlog_row_metadata','gtid_mode','server_id',"
    "'server_uuid','lower_case_table_names'";

std::uint64_t number(const std::optional<std::string>& text) {
  std::uint64_t value = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

GtidSet gtid_set(const std::string& text) {
  auto set = GtidSet::parse(text);
  if (!set) throw Error(ErrorKind::undecodable, "reading the server's GTID set: " + set.failure().what);
  return std::move(*set);
}

MariadbGtidPos mariadb_pos(const std::string& text) {
  auto pos = MariadbGtidPos::parse(text);
  if (!pos) throw Error(ErrorKind::undecodable, "reading the server's GTID position: " + pos.failure().what);
  return std::move(*pos);
}

// The statement has had three names.
Rows binlog_status(Session& session, const ServerFacts& server) {
  const char* doing = "asking for the end of the binary log";
  const std::string remedy = "GRANT REPLICATION CLIENT ON *.* TO the user of the dsn";
  if (server.flavor == Flavor::mariadb) return session.query(doing, "SHOW MASTER STATUS", remedy);
  try {
    return session.query(doing, "SHOW BINARY LOG STATUS", remedy);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::config) throw;  // a syntax error: before 8.2
    return session.query(doing, "SHOW MASTER STATUS", remedy);
  }
}

// None: MariaDB cannot tell, for the file holds an event that is larger than max_allowed_packet.
std::optional<std::string> gtids_at(Session& session, const std::string& file, std::uint64_t pos) {
  const Rows rows = session.query("asking for the GTID position",
                                  fmt::format("SELECT BINLOG_GTID_POS({}, {})", session.literal(file), pos));
  return rows.empty() || rows[0].empty() ? std::nullopt : rows[0][0];
}

bool granted(const ServerFacts& server, std::initializer_list<std::string_view> privileges) {
  return std::ranges::any_of(server.grants, [&](const std::string& grant) {
    if (grant.find(" ON *.* ") == std::string::npos) return false;
    if (grant.starts_with("GRANT ALL PRIVILEGES")) return true;
    return std::ranges::any_of(privileges,
                               [&](std::string_view each) { return grant.find(each) != std::string::npos; });
  });
}

class Missing {
 public:
  void add(const std::string& what, const std::string& statement) {
    what_ += (what_.empty() ? "" : "; ") + what;
    remedy_ += (remedy_.empty() ? "" : " ") + statement;
    if (!statement.ends_with('.')) remedy_ += ';';
  }
  void check(ErrorKind kind) const {
    if (!what_.empty()) throw Error(kind, "the server is not set up for reading its binary log: " + what_, remedy_);
  }

 private:
  std::string what_, remedy_;
};

[[noreturn]] void lost(const std::string& why, const std::string& remedy = {}) {
  throw Error(ErrorKind::position_lost, "position lost: " + why,
              remedy.empty() ? std::string("restore what is missing, or ") + kBeginAfresh : remedy);
}

// The server begins a file whenever gtid_mode changes, so the first transaction of a file tells.
std::string place_without_gtid(Session& session, const LogFacts& log, const std::string& after) {
  auto file = std::ranges::find(log.files, after, &SizedFile::first);
  if (file == log.files.end()) return "";
  while (++file != log.files.end())
    for (const auto& row : session.query("looking at the beginning of a binary log",
                                         fmt::format("SHOW BINLOG EVENTS IN {} LIMIT 4", session.literal(file->first)),
                                         "GRANT REPLICATION SLAVE ON *.* TO the user of the dsn"))
      if (row.size() > 2 && row[2] == "Anonymous_Gtid") return file->first + ":" + row[1].value_or("");
  return "";
}

void check_has_all(const BinlogPosition& stored, const LogFacts& log) {
  if (!log.tail.gtids.includes(stored.gtids)) {
    GtidSet lacking = stored.gtids;
    lacking.subtract(log.tail.gtids);
    lost("the server lacks transactions that were delivered: " + to_string(lacking) +
             "; it is another server, was reset, or a replica that is behind",
         std::string("point the dsn to a server that has them and resume, or, if they are gone for good, ") +
             kBeginAfresh);
  }
}

void check_not_purged(const BinlogPosition& stored, const LogFacts& log) {
  if (!stored.gtids.includes(log.purged)) {
    GtidSet gone = log.purged;
    gone.subtract(stored.gtids);
    lost("the server has purged transactions that were not delivered: " + to_string(gone));
  }
}

void check_has_domains(const BinlogPosition& stored, const LogFacts& log) {
  for (const MariadbGtid& id : stored.mariadb.ids())
    if (!log.tail.mariadb.covers(id))
      lost(
          "the server lacks the delivered transaction " + to_string(id) + "; its log ends at " +
              to_string(log.tail.mariadb) + ": it is another server, was reset, or a replica that is behind",
          std::string("point the dsn to a server that has it and resume, or, if it is gone for good, ") + kBeginAfresh);
}

// The numbers say nothing of a log that was reset and has grown past them. The place where they were read does.
void check_mariadb(const BinlogPosition& stored, const ServerFacts& server, const LogFacts& log) {
  check_has_domains(stored, log);
  const bool same_server = stored.server_id == server.server_id;
  if (!same_server || !log.mariadb_at_place) return;
  if (mariadb_pos(*log.mariadb_at_place) != stored.mariadb)
    lost(
        fmt::format("{}:{} of the server's log holds {}, and held {} when it was read: the log was reset, and its "
                    "sequence numbers are used again",
                    stored.file, stored.pos, *log.mariadb_at_place, to_string(stored.mariadb)));
}

void check_file(const BinlogPosition& stored, const ServerFacts& server, const LogFacts& log) {
  const bool same =
      server.flavor == Flavor::mysql ? stored.server_uuid == server.uuid : stored.server_id == server.server_id;
  if (!same)
    lost("the stored position is a place in the log of another server, which says nothing about this one",
         "point the dsn to the former server, or use GTIDs (gtid_mode=ON) before the next failover");
  auto found = std::ranges::find(log.files, stored.file, &std::pair<std::string, std::uint64_t>::first);
  if (found == log.files.end())
    lost(fmt::format("the server no longer has the file {} (it begins at {})", stored.file,
                     log.files.empty() ? "nothing" : log.files.front().first));
  if (stored.pos > found->second)
    lost(fmt::format("{} ends at {}, before the stored position {}: the log was reset", stored.file, found->second,
                     stored.pos));
}

std::vector<SeenTable> tables_of(Session& session, const std::string& statement) {
  std::vector<SeenTable> tables;
  for (const auto& row : session.query("listing the tables", statement))
    if (row.size() == 2 && !is_system_database(row[0].value_or("")))
      tables.push_back({row[0].value_or(""), row[1].value_or("")});
  return tables;
}

}  // namespace

ServerFacts read_server(Session& session) {
  ServerFacts facts;
  facts.version = session.server_version();
  facts.flavor = session.is_mariadb() ? Flavor::mariadb : Flavor::mysql;
  const std::string sql = fmt::format("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})", kVariables);
  for (const auto& row : session.query("reading the server's settings", sql))
    if (row.size() == 2 && row[0]) facts.variables[*row[0]] = row[1].value_or("");
  facts.uuid = facts.variable("server_uuid");
  facts.server_id = static_cast<std::uint32_t>(number(facts.variable("server_id")));
  for (const auto& row : session.query("reading our own grants", "SHOW GRANTS"))
    if (!row.empty() && row[0]) facts.grants.push_back(*row[0]);
  return facts;
}

void check_settings(const ServerFacts& server) {
  Missing settings;
  if (!server.on("log_bin")) settings.add("log_bin is off", "start the server with log_bin and a server_id.");
  if (server.server_id == 0) settings.add("server_id is 0", "SET GLOBAL server_id = 1");
  if (server.variable("binlog_format") != "ROW")
    settings.add("binlog_format is " + server.variable("binlog_format"), "SET GLOBAL binlog_format = 'ROW'");
  if (server.variable("binlog_row_metadata").empty())
    settings.add("it does not know binlog_row_metadata", "MySQL 8.0.1 or MariaDB 10.5 is the oldest that works.");
  else if (server.variable("binlog_row_metadata") != "FULL")
    settings.add("binlog_row_metadata is " + server.variable("binlog_row_metadata"),
                 "SET GLOBAL binlog_row_metadata = 'FULL'");
  settings.check(ErrorKind::config);
}

void check_grants(const ServerFacts& server, const std::string& user) {
  Missing grants;
  if (!granted(server, {"REPLICATION SLAVE", "REPLICATION REPLICA"}))
    grants.add("the user may not read it", "GRANT REPLICATION SLAVE ON *.* TO '" + user + "'");
  if (!granted(server, {"REPLICATION CLIENT", "BINLOG MONITOR", "SUPER"}))
    grants.add("the user may not ask where it ends", "GRANT REPLICATION CLIENT ON *.* TO '" + user + "'");
  grants.check(ErrorKind::auth);
}

void check_server(const ServerFacts& server, const std::string& user) {
  check_settings(server);
  check_grants(server, user);
}

BinlogPosition read_end(Session& session, const ServerFacts& server) {
  BinlogPosition tail;
  tail.server_uuid = server.uuid;
  tail.server_id = server.flavor == Flavor::mariadb ? server.server_id : 0;
  Rows status = binlog_status(session, server);
  if (status.empty() || status[0].size() < 2)
    throw Error(ErrorKind::config, "asking for the end of the binary log: there is none",
                "start the server with log_bin");
  tail.file = status[0][0].value_or("");
  tail.pos = number(status[0][1]);
  if (server.flavor == Flavor::mariadb) {
    tail.mode = BinlogPosition::Mode::mariadb_gtid;
    tail.mariadb = mariadb_pos(session.value("asking for the GTID position", "SELECT @@GLOBAL.gtid_binlog_pos"));
  } else if (server.variable("gtid_mode") == "ON") {
    tail.mode = BinlogPosition::Mode::mysql_gtid;
    tail.gtids = gtid_set(status[0].size() > 4 ? status[0][4].value_or("") : "");
  }
  return tail;
}

BinlogPosition read_tail(Session& session, const ServerFacts& server) {
  BinlogPosition tail = read_end(session, server);
  if (server.flavor == Flavor::mysql) return tail;
  // Of that very place: the variable may have moved on.
  if (auto at = gtids_at(session, tail.file, tail.pos)) {
    tail.mariadb = mariadb_pos(*at);
    return tail;
  }
  for (int tries = 0; tries < 1000; ++tries) {
    BinlogPosition next = read_end(session, server);
    // Nothing was written between the two, and what is read of the variable stands between them.
    if (next.file == tail.file && next.pos == tail.pos) return tail;
    tail = std::move(next);
  }
  throw Error(ErrorKind::unavailable,
              "asking for the end of the binary log: the server does not tell the GTID position of a place "
              "(BINLOG_GTID_POS is NULL: an event of the file is larger than max_allowed_packet), and writes all the "
              "time",
              "SET GLOBAL max_allowed_packet = 1073741824");
}

std::vector<SizedFile> read_files(Session& session) {
  std::vector<SizedFile> files;
  for (const auto& row : session.query("listing the binary logs", "SHOW BINARY LOGS",
                                       "GRANT REPLICATION CLIENT ON *.* TO the user of the dsn"))
    if (row.size() >= 2) files.emplace_back(row[0].value_or(""), number(row[1]));
  return files;
}

std::vector<SeenTable> read_tables(Session& session) {
  return tables_of(session,
                   "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'"
                   " ORDER BY TABLE_SCHEMA, TABLE_NAME");
}

std::vector<SeenTable> read_tables_that_forget(Session& session) {
  return tables_of(session,
                   "SELECT t.TABLE_SCHEMA, t.TABLE_NAME FROM information_schema.TABLES t"
                   " JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA"
                   " AND c.TABLE_NAME = t.TABLE_NAME AND c.EXTRA LIKE '%auto_increment%'"
                   " WHERE t.ENGINE = 'BLACKHOLE' ORDER BY t.TABLE_SCHEMA, t.TABLE_NAME");
}

LogFacts read_log(Session& session, const ServerFacts& server, const BinlogPosition& asked) {
  LogFacts log;
  log.tail = read_tail(session, server);
  if (server.flavor == Flavor::mysql)
    log.purged = gtid_set(session.value("asking for purged transactions", "SELECT @@GLOBAL.gtid_purged"));
  log.files = read_files(session);
  if (asked.mode == BinlogPosition::Mode::mariadb_gtid && !asked.file.empty()) {
    auto file = std::ranges::find(log.files, asked.file, &std::pair<std::string, std::uint64_t>::first);
    if (file != log.files.end() && asked.pos <= file->second)
      log.mariadb_at_place = gtids_at(session, asked.file, asked.pos);
  }
  if (asked.mode == BinlogPosition::Mode::mysql_gtid && asked.server_uuid == server.uuid)
    log.without_gtid = place_without_gtid(session, log, asked.file);
  return log;
}

void check_lane(const BinlogPosition& stored, const ServerFacts& server, const LogFacts& log) {
  if (stored.mode == BinlogPosition::Mode::mysql_gtid) check_has_all(stored, log);
  if (stored.mode == BinlogPosition::Mode::mariadb_gtid) check_has_domains(stored, log);
  if (stored.mode == BinlogPosition::Mode::file) check_file(stored, server, log);
}

void check_end(const BinlogPosition& end, const BinlogPosition& start, const ServerFacts& server, const Place& read) {
  const auto order = compare_files(end.file, read.file());
  if (order < 0 || (order == 0 && end.pos < read.end()))
    lost(fmt::format("the server's log ends at {}:{}, and was read up to {}:{}: the log was reset", end.file, end.pos,
                     read.file(), read.end()),
         kBeginAfresh);
  LogFacts log;
  log.tail = end;
  if (start.mode != BinlogPosition::Mode::file) check_lane(start, server, log);
}

void check_position(const BinlogPosition& stored, const ServerFacts& server, const LogFacts& log) {
  using Mode = BinlogPosition::Mode;
  if ((stored.mode == Mode::mariadb_gtid) != (server.flavor == Flavor::mariadb) && stored.mode != Mode::file)
    lost("it was stored for another kind of server (MySQL and MariaDB number their transactions differently)");
  switch (stored.mode) {
    case Mode::mysql_gtid:
      if (server.variable("gtid_mode") != "ON")
        lost("it is a GTID set, and gtid_mode of the server is " + server.variable("gtid_mode"),
             "SET GLOBAL gtid_mode = ON (by way of OFF_PERMISSIVE and ON_PERMISSIVE), and resume");
      // Asked by GTID, the server would pass over them without a word.
      if (!log.without_gtid.empty())
        lost("at " + log.without_gtid + " begin transactions without GTID, written while gtid_mode was not ON");
      check_has_all(stored, log);
      return check_not_purged(stored, log);
    case Mode::mariadb_gtid: return check_mariadb(stored, server, log);
    case Mode::file: return check_file(stored, server, log);
  }
}

}  // namespace deltaforge::sources::mysql
