// `deltaforge plan`: what run() would find on the server. The checks are those of the start itself; there is nothing
// that a start makes on a MySQL or MariaDB server.
#include <fmt/format.h>

#include "core/plan.h"
#include "sources/mysql/errors.h"
#include "sources/mysql/mysql.h"

namespace deltaforge::sources::mysql {
namespace {

std::string place_of(const BinlogPosition& position) {
  std::string text = fmt::format("{}:{}", position.file, position.pos);
  if (position.mode == BinlogPosition::Mode::mysql_gtid) text += ", GTIDs " + to_string(position.gtids);
  if (position.mode == BinlogPosition::Mode::mariadb_gtid) text += ", GTID " + to_string(position.mariadb);
  return text;
}

// False: a grant is missing, or there is no log; then the log cannot be asked.
bool tell_about_server(Session& session, const ServerFacts& server, const std::string& user, std::uint32_t server_id,
                       PlanReport& report) {
  report.fact(fmt::format("{} {} at {}, user {}; we are replica {}",
                          server.flavor == Flavor::mariadb ? "MariaDB" : "MySQL", server.version, session.where(), user,
                          server_id));
  if (session.crosses_network_in_plain_text())
    report.warning("rows and password cross the network to " + session.where() + " in plain text",
                   "add ssl-mode=VERIFY_IDENTITY to the dsn");
  report.check([&] { check_settings(server); });
  const bool granted = report.check([&] { check_grants(server, user); });
  if (const std::string image = server.variable("binlog_row_image"); image != "FULL")
    report.warning(fmt::format("binlog_row_image is {}: columns that the log leaves out are left out of events", image),
                   "SET GLOBAL binlog_row_image = 'FULL';");
  return granted && server.on("log_bin");
}

void plan_first_start(Session& session, const ServerFacts& server, PlanReport& report) {
  report.check([&] {
    report.fact("first start: begins behind what is committed by then, now " + place_of(read_tail(session, server)));
  });
}

// MariaDB says it only when streaming begins. Its first file tells what went before it.
void check_not_purged(Session& session, const BinlogPosition& stored, const LogFacts& log) {
  if (stored.mode != BinlogPosition::Mode::mariadb_gtid || log.files.empty()) return;
  const std::string text =
      session.value("asking for the beginning of the log",
                    fmt::format("SELECT BINLOG_GTID_POS({}, 4)", session.literal(log.files.front().first)));
  const auto before = MariadbGtidPos::parse(text);
  if (!before) return;
  for (const MariadbGtid& id : (*before).ids())
    if (!stored.mariadb.covers(id))
      throw Error(ErrorKind::position_lost,
                  "position lost: the server has purged transactions that were not delivered, up to " + to_string(id),
                  std::string("restore what is missing, or ") + kBeginAfresh);
}

void check_stored(Session& session, const ServerFacts& server, const Start& start, PlanReport& report) {
  report.check([&] {
    const auto& meet = start.meet.as<BinlogPosition>();
    const LogFacts log = read_log(session, server, meet);
    if (!log.files.empty())
      report.fact(
          fmt::format("the server's log goes from {} to {}:{}", log.files.front().first, log.tail.file, log.tail.pos));
    check_position(meet, server, log);
    for (const Position& lane : start.lanes)
      if (!lane.empty()) check_lane(lane.as<BinlogPosition>(), server, log);
    check_not_purged(session, meet, log);
    report.fact("goes on behind " + place_of(meet));
    const bool mysql = server.flavor == Flavor::mysql;
    if (meet.server_uuid != server.uuid || (!mysql && meet.server_id != server.server_id))
      report.warning("another server than before: goes on by GTID");
  });
}

}  // namespace

void MySql::plan(const Start& start, PlanReport& report) {
  Session::Options options = session_options(-1);
  options.read_only = true;
  options.answer_seconds = 10;
  Session session(options);
  const ServerFacts server = read_server(session);
  const bool has_log = tell_about_server(session, server, options.dsn.user, server_id(), report);

  const std::vector<SeenTable> tables = read_tables(session);
  std::vector<std::string> names;
  for (const SeenTable& table : tables)
    if (captures(table.database, table.name)) names.push_back(table.database + "." + table.name);
  std::string count = fmt::format("tables that match, of those that the user may see: {}", names.size());
  report.fact(std::move(count), std::move(names));
  for (const std::string& pattern : patterns_without_table(tables))
    report.warning(fmt::format("the table pattern {} matches no table that the user may see", pattern),
                   fmt::format("check `tables`, or GRANT SELECT ON the database.* TO '{}'", options.dsn.user));

  if (!has_log) return;
  if (start.meet.empty())
    plan_first_start(session, server, report);
  else
    check_stored(session, server, start, report);
}

}  // namespace deltaforge::sources::mysql
