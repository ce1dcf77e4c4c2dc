#include "sources/mysql/mysql.h"

#include <algorithm>

#include <fmt/format.h>
#include <libdeflate.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/hash.h"
#include "obs/log.h"
#include "sources/mysql/catalogue.h"
#include "sources/mysql/log_watch.h"

namespace deltaforge::sources::mysql {
namespace {

// A replica's uuid: the server ends an older reader that shows the same.
std::string uuid_of(std::string_view pipeline, std::string_view source_id) {
  std::string text = std::string(pipeline) + '\0' + std::string(source_id);
  std::string hex;
  for (std::byte byte : xxh3_128(as_bytes(text))) hex += fmt::format("{:02x}", std::to_integer<int>(byte));
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4),
                     hex.substr(20));
}

}  // namespace

std::uint32_t server_id_of(std::string_view source_id) {
  const std::uint32_t crc = libdeflate_crc32(0, source_id.data(), source_id.size());
  return 1 + static_cast<std::uint32_t>(crc % 4'000'000'000U);
}

const config::Spec<Outbox>& Outbox::spec() {
  static const auto s = config::Spec<Outbox>("outbox_tables", "Which tables are an outbox.")
                            .field("tables", &Outbox::tables,
                                   "Their names: shop.outbox, *.outbox, shop.*_outbox. `tables` of the source must "
                                   "name them, too.");
  return s;
}

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("mysql", "Reads row changes from MySQL or MariaDB out of the binary log.");
    spec.field("id", &Config::id, "Name used for event ids, checkpoints and metrics.", {.max = 200})
        .field("dsn", &Config::dsn,
               "Connection string: mysql://user:password@host:3306/?ssl-mode=VERIFY_IDENTITY&ssl-ca=/etc/ca.pem",
               {.required = true})
        .field("tables", &Config::tables,
               "Tables to capture: shop.orders, shop.order_%, analytics.*, %.audit_log. Empty: all.")
        .field("server_id", &Config::server_id,
               "Our number among the replicas of the server; made from the id when it is left out.",
               {.min = 1, .max = 4'294'967'295})
        .choice("on_schema_drift", &Config::on_schema_drift, "What to do when tables differ after a fail-over.",
                {{"adapt", OnSchemaDrift::adapt}, {"halt", OnSchemaDrift::halt}})
        .nested("snapshot", &Config::snapshot, "Reading of rows that exist already; not in this build.")
        .nested("outbox", &Config::outbox, "Tables whose rows are messages of applications.");
    return spec;
  }();
  return s;
}

void Config::check(const config::Node& node, config::Report& report) const {
  if (!dsn.empty())
    if (auto parsed = parse_dsn(dsn); const auto* problem = std::get_if<DsnProblem>(&parsed))
      report.add(node, "dsn",
                 "not a MySQL connection string: " + *problem + "; write mysql://user:password@host:3306/database");
  if (on_schema_drift == OnSchemaDrift::halt) report.add(node, "on_schema_drift", "not in this build: halt");
}

MySql::MySql(Config config, const SourceContext& context) : config_(std::move(config)), context_(context) {}

void MySql::run(Intake& intake, const Start& start, std::stop_token stop) {
  // Level-triggered and never cleared: every wait of this run ends at once.
  WakeFd stopping;
  std::stop_callback signal(stop, [&stopping] { stopping.signal(); });
  try {
    run_until_stopped(intake, start, stopping.fd(), stop);
  } catch (const Stopped&) {
  }
}

Session::Options MySql::session_options(int stop_fd) const {
  return {.dsn = std::get<Dsn>(parse_dsn(config_.dsn)), .application = "deltaforge " + config_.id, .stop_fd = stop_fd};
}

std::uint32_t MySql::server_id() const {
  return config_.server_id ? static_cast<std::uint32_t>(*config_.server_id) : server_id_of(config_.id);
}

bool MySql::captures(std::string_view database, std::string_view table) const {
  return config_.tables.empty() ||
         std::ranges::any_of(config_.tables, [&](const auto& pattern) { return pattern.matches(database, table); });
}

bool MySql::is_outbox(std::string_view database, std::string_view table) const {
  return std::ranges::any_of(config_.outbox.tables,
                             [&](const auto& pattern) { return pattern.matches(database, table); });
}

std::vector<std::string> MySql::patterns_without_table(const std::vector<SeenTable>& tables) const {
  std::vector<std::string> unmatched;
  for (const auto& pattern : config_.tables)
    if (std::ranges::none_of(tables, [&](const auto& table) { return pattern.matches(table.database, table.name); }))
      unmatched.emplace_back(pattern.text());
  return unmatched;
}

void MySql::run_until_stopped(Intake& intake, const Start& start, int stop_fd, const std::stop_token& stop) {
  const Session::Options options = session_options(stop_fd);
  Session session(options);
  const ServerFacts server = read_server(session);
  check_server(server, options.dsn.user);
  warn(session, server, start);
  const BinlogPosition at = prepare(session, server, start);
  prepare_session(session, server, at, uuid_of(context_.pipeline, config_.id));

  const bool mariadb = server.flavor == Flavor::mariadb;
  CatalogueLookup catalogue(options, *start.state);
  TableCache tables(
      {config_.id, mariadb ? "mariadb" : "mysql", server.flavor,
       [this](std::string_view database, std::string_view table) { return is_outbox(database, table); }},
      [this](std::string_view database, std::string_view table) { return captures(database, table); },
      [&catalogue](const TableMap& map) { return catalogue.look_up(map); }, schemas_, &shared_.tables);
  LogWatch watch(options, server, at, doubted_);
  auto connected = [&] {
    obs::info("streaming from the binary log", {{"source", config_.id},
                                                {"server_version", std::string_view(server.version)},
                                                {"file", std::string_view(at.file)},
                                                {"pos", at.pos}});
    start.connected();
  };
  Stream stream(
      {.session = session,
       .intake = intake,
       .tables = tables,
       .algebra = algebra_,
       .state = *start.state,
       .shared = shared_,
       .decoder = {config_.id, context_.epoch, server.flavor, server.key(), at.mariadb, at.gtids,
                   at.mode == BinlogPosition::Mode::mysql_gtid, server.variable("lower_case_table_names") == "1"},
       .start = at,
       .server_id = server_id(),
       .connected = connected,
       .on_heartbeat = [&watch](const Place& read, std::uint32_t said) { watch.heartbeat(read, said); },
       .look =
           [&](const Place& read) { shared_.log_lag_bytes.store(watch.lag_bytes(read), std::memory_order_relaxed); },
       .stop_fd = stop_fd,
       .stop = stop});
  stream.run();
}

void MySql::warn(Session& session, const ServerFacts& server, const Start& start) const {
  start.warn("plain_text", session.crosses_network_in_plain_text()
                               ? "rows and password cross the network to " + session.where() +
                                     " in plain text: add ssl-mode=VERIFY_IDENTITY to the dsn"
                               : "");
  const std::string image = server.variable("binlog_row_image");
  start.warn("row_image", image == "FULL" ? ""
                                          : "binlog_row_image is " + image +
                                                ": columns that the log leaves out are left out of events; SET GLOBAL "
                                                "binlog_row_image = 'FULL'");
  // A user who sees none at all has only the right to replicate, which is enough.
  const std::vector<SeenTable> tables = config_.tables.empty() ? std::vector<SeenTable>() : read_tables(session);
  std::string unmatched;
  if (!tables.empty())
    for (const std::string& pattern : patterns_without_table(tables))
      unmatched += (unmatched.empty() ? "" : ", ") + pattern;
  start.warn("tables", unmatched.empty() ? ""
                                         : "no table that the user may see matches " + unmatched +
                                               " in `tables`: check the spelling");
  start.warn("outbox", config_.outbox.tables.empty() ? "" : about_outbox(session));
}

std::string MySql::about_outbox(Session& session) const {
  std::string text;
  const auto say = [&text](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  const std::vector<SeenTable> tables = read_tables(session);
  for (const auto& pattern : config_.outbox.tables)
    if (!tables.empty() && std::ranges::none_of(tables, [&](const SeenTable& table) {
          return pattern.matches(table.database, table.name);
        }))
      say("no table that the user may see matches " + std::string(pattern.text()) + " in `outbox.tables`");
  for (const SeenTable& table : tables)
    if (is_outbox(table.database, table.name) && !captures(table.database, table.name))
      say("the outbox " + table.database + "." + table.name + " is not among `tables`, so that nothing of it is read");
  for (const SeenTable& table : read_tables_that_forget(session))
    if (is_outbox(table.database, table.name))
      say("BLACKHOLE keeps no count for AUTO_INCREMENT: all rows of " + table.database + "." + table.name +
          " get the same id, and with it the same df-event-id; make the id in the application, or by DEFAULT (UUID())");
  return text;
}

BinlogPosition MySql::prepare(Session& session, const ServerFacts& server, const Start& start) const {
  if (start.meet.empty()) {
    Decoder::forget(*start.state);  // of a position that an operator has removed
    BinlogPosition tail = read_tail(session, server);
    start.begin_at(Position(std::make_unique<BinlogPosition>(tail)));
    return tail;
  }
  const auto& meet = start.meet.as<BinlogPosition>();
  const bool mysql = server.flavor == Flavor::mysql;
  const LogFacts log = read_log(session, server, meet);
  check_position(meet, server, log);
  for (const Position& lane : start.lanes)
    if (!lane.empty()) check_lane(lane.as<BinlogPosition>(), server, log);
  if (meet.server_uuid != server.uuid || (!mysql && meet.server_id != server.server_id))
    obs::warn("another server than before: going on by GTID",
              {{"source", config_.id}, {"server", std::string_view(server.key())}});
  return meet;
}

SourceGauges MySql::gauges() const {
  SourceGauges gauges;
  const std::int64_t heard = shared_.heard_ns.load(std::memory_order_relaxed);
  if (heard != 0) gauges.idle_us = (std::chrono::steady_clock::now().time_since_epoch().count() - heard) / 1000;
  gauges.log_end_lag_bytes = shared_.log_lag_bytes.load(std::memory_order_relaxed);
  gauges.received_bytes = shared_.received_bytes.load(std::memory_order_relaxed);
  gauges.schemas_known = shared_.tables.known.load(std::memory_order_relaxed);
  gauges.schemas_learnt = shared_.tables.learnt.load(std::memory_order_relaxed);
  return gauges;
}

void add(deltaforge::Catalogue& catalogue) { catalogue.sources.add<MySql>("mysql"); }

}  // namespace deltaforge::sources::mysql
