#include "sources/postgres/postgres.h"

#include <poll.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "obs/log.h"
#include "sources/postgres/catalogue.h"
#include "sources/postgres/checks.h"
#include "sources/postgres/connection.h"

namespace deltaforge::sources::postgres {
namespace {

using namespace std::chrono_literals;

constexpr auto kSlotPatience = 3s;
constexpr int kMessagesSince = 140'000;
constexpr const char* kLockTimeout = "[55P03]";

void show_start_position(const StartPosition& start, config::Echo& to) {
  if (start.kind == StartPosition::Kind::lsn) return to.string("lsn:" + to_string(start.lsn));
  to.string(start.kind == StartPosition::Kind::latest ? "latest" : "earliest");
}

config::Shape start_position_shape() {
  config::FieldInfo lsn{{"string"}, "lsn", {}, "Place in the log: 0/16B6C50.", {.required = true}};
  return {.type = "text or map",
          .pattern = "^(earliest|latest|lsn:[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8})$",
          .map_name = "start_position",
          .map_summary = "A place in the log.",
          .fields = {lsn}};
}

bool is_slot_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

}  // namespace

const config::Spec<Outbox>& Outbox::spec() {
  static const auto s = config::Spec<Outbox>("outbox_messages", "Which messages are captured.")
                            .field("prefixes", &Outbox::prefixes,
                                   "Their prefixes: outbox, outbox_%, *. A prefix is the table of its events.");
  return s;
}

void Outbox::check(const config::Node& node, config::Report& report) const {
  const config::Node* list = node.find("prefixes");
  for (std::size_t i = 0; i < prefixes.size(); ++i)
    if (std::string why = prefix_problem(prefixes[i]); !why.empty())
      report.add(list->children()[i], "not a pattern of prefixes: " + why);
}

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("postgres", "Reads row changes from PostgreSQL by logical replication.");
    spec.field("id", &Config::id, "Name used for event ids, checkpoints and metrics.", {.max = 200})
        .field("dsn", &Config::dsn,
               "Connection string: postgresql://user:password@host/db?sslmode=verify-full, or "
               "host=... user=... dbname=...",
               {.required = true})
        .field("slot", &Config::slot, "Replication slot; made at the first start.", {.required = true})
        .field("publication", &Config::publication, "Publication; made at the first start for the matching tables.",
               {.required = true, .min = 1, .max = 63})
        .field("tables", &Config::tables, "Tables to capture: public.orders, public.order_*, orders. Empty: all.")
        .custom("start_position", &Config::start_position,
                "Where a pipeline without a position begins: earliest, latest, lsn:0/16B6C50.", read_start_position, {},
                show_start_position)
        .shaped(start_position_shape())
        .choice("on_schema_drift", &Config::on_schema_drift, "What to do when tables differ after a fail-over.",
                {{"adapt", OnSchemaDrift::adapt}, {"halt", OnSchemaDrift::halt}})
        .nested("snapshot", &Config::snapshot, "Reading of rows that exist already; not in this build.")
        .nested("outbox", &Config::outbox, "Messages that applications write with pg_logical_emit_message().");
    return spec;
  }();
  return s;
}

void Config::check(const config::Node& node, config::Report& report) const {
  if (!slot.empty() && !is_slot_name(slot))
    report.add(node, "slot", "a slot name has 1 to 63 of the characters a-z, 0-9 and _");
  if (!dsn.empty())
    if (auto problem = dsn_problem(dsn))
      report.add(
          node, "dsn",
          "not a PostgreSQL connection string: " + *problem + "; write postgresql://user:password@host:port/database");
  if (on_schema_drift == OnSchemaDrift::halt) report.add(node, "on_schema_drift", "not in this build: halt");
}

Postgres::Postgres(Config config, const SourceContext& context)
    : config_(std::move(config)),
      context_(context),
      relations_(
          {config_.id, ""},
          [this](std::string_view schema, std::string_view table) {
            return captured_by(config_.tables, schema, table);
          },
          schemas_, &shared_.relations),
      messages_(config_.outbox.prefixes, config_.id, schemas_) {}

void Postgres::run(Intake& intake, const Start& start, std::stop_token stop) {
  // Level-triggered and never cleared: every wait of this run ends at once.
  WakeFd stopping;
  std::stop_callback signal(stop, [&stopping] { stopping.signal(); });
  try {
    run_until_stopped(intake, start, stopping.fd(), stop);
  } catch (const Stopped&) {
  }
}

Session::Options Postgres::session_options(int stop_fd) const {
  Session::Options options;
  options.dsn = config_.dsn;
  options.application = "deltaforge " + config_.id;
  options.stop_fd = stop_fd;
  return options;
}

void Postgres::run_until_stopped(Intake& intake, const Start& start, int stop_fd, const std::stop_token& stop) {
  Session::Options options = session_options(stop_fd);
  options.replication = true;
  Session replication(options);
  Session::Options beside = session_options(stop_fd);
  beside.same_as = &replication;
  Session statements(beside);

  ServerFacts server = read_server(replication);
  check_server(server);
  check_messages(server);
  const bool plain = replication.crosses_network_in_plain_text();
  start.warn("plain_text", plain ? "rows and password cross the network to " + replication.where() +
                                       " in plain text: add sslmode=verify-full to the dsn"
                                 : "");
  Publication publication({config_.publication, config_.id, config_.tables}, start.warn);
  const WalPosition at = prepare(replication, statements, server, publication, start);
  publication.keep_up(statements, true);

  CatalogueLookup lookup(statements, *start.state);
  relations_.begin(lookup, server.database);
  messages_.begin(server.database);
  last_backend_ = replication.backend_pid();
  statements.query("setting up the session", "SET lock_timeout = '500ms'");
  WalPosition looked_at = at;
  auto look = [&] {
    const Lsn here{shared_.received.load(std::memory_order_relaxed)};
    try {
      publication.read(statements);
      check_publication(publication, config_.publication, config_.slot, looked_at, server, *start.state);
      publication.keep_up(statements, false);
      note_lag(statements);
    } catch (const Error& error) {
      // Somebody holds a lock on the catalogue: the stream does not wait for that.
      if (error.message().find(kLockTimeout) == std::string::npos) throw;
      obs::log_limited(obs::Level::warn, config_.id, error.what(), {{"source", config_.id}});
      return;
    }
    looked_at.lsn = here;
  };
  auto connected = [&] {
    obs::info("streaming from PostgreSQL", {{"source", config_.id},
                                            {"slot", config_.slot},
                                            {"lsn", to_string(at.lsn)},
                                            {"server_version", static_cast<std::int64_t>(server.version)}});
    start.connected();
  };
  const std::string encoding(replication.parameter("server_encoding"));
  const bool utf8_unchecked = encoding == "SQL_ASCII";
  start.warn("messages", messages_.any() && encoding != "UTF8" && !utf8_unchecked
                             ? "the server sends logical messages in its own encoding, " + encoding +
                                   ": what is not ASCII in them arrives wrong; write \\u escapes in their JSON"
                             : "");
  Stream stream({.session = replication,
                 .intake = intake,
                 .relations = relations_,
                 .messages = messages_.any() ? &messages_ : nullptr,
                 .shared = shared_,
                 .server = server,
                 .decoder = {config_.id, context_.epoch, server.timeline, utf8_unchecked},
                 .slot = config_.slot,
                 .publications = publication.names(statements),
                 .start = at.lsn,
                 .connected = connected,
                 .look = look,
                 .stop_fd = stop_fd,
                 .stop = stop});
  stream.run();
}

void Postgres::check_messages(const ServerFacts& server) const {
  if (messages_.any() && server.version < kMessagesSince)
    throw Error(ErrorKind::config, "the server sends no logical messages: outbox.prefixes needs PostgreSQL 14 or later",
                "upgrade the server, or leave `outbox` out and capture a table");
}

WalPosition Postgres::prepare(Session& replication, Session& statements, const ServerFacts& server,
                              Publication& publication, const Start& start) {
  if (start.meet.empty()) {
    wait_for_slot(statements);
    return begin({replication, statements, server, publication, config_.slot, config_.start_position}, start);
  }
  check_stored(replication, statements, server, start);
  const auto& meet = start.meet.as<WalPosition>();
  publication.read(statements);
  check_publication(publication, config_.publication, config_.slot, meet, server, *start.state);
  wait_for_slot(statements);
  if (meet.timeline != server.timeline)
    obs::warn("the server was promoted: going on where the old timeline ended",
              {{"source", config_.id}, {"timeline", static_cast<std::uint64_t>(server.timeline)}});
  return meet;
}

void Postgres::check_stored(Session& replication, Session& statements, const ServerFacts& server, const Start& start) {
  const auto& meet = start.meet.as<WalPosition>();
  auto history = read_history(replication, server.timeline);
  check_position(meet, config_.slot, server, history);
  for (const Position& lane : start.lanes)
    if (!lane.empty()) check_position(lane.as<WalPosition>(), config_.slot, server, history);
  SlotFacts slot = read_slot(statements, config_.slot);
  if (slot.exists) check_slot(slot, config_.slot, server);
  check_slot_covers(meet, slot, config_.slot);
  shared_.release(slot.confirmed);
}

void Postgres::wait_for_slot(Session& statements) {
  const auto until = std::chrono::steady_clock::now() + kSlotPatience;
  for (;;) {
    SlotFacts slot = read_slot(statements, config_.slot);
    if (slot.active_pid == 0) return;
    if (slot.active_pid == last_backend_)
      statements.query("ending our own former connection",
                       "SELECT pg_catalog.pg_terminate_backend(" + std::to_string(last_backend_) + ")");
    if (std::chrono::steady_clock::now() >= until) check_slot_is_free(slot, config_.slot);
    statements.query("waiting for the replication slot", "SELECT pg_catalog.pg_sleep(0.05)");
  }
}

void Postgres::note_lag(Session& statements) {
  std::string end =
      statements.value("asking for the end of the log",
                       "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN"
                       " pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END");
  shared_.server_end.store(number(parse_lsn(end).value_or(Lsn{})), std::memory_order_relaxed);
}

void Postgres::release(const Position& position) {
  if (!position.empty()) shared_.release(position.as<WalPosition>().lsn);
}

void Postgres::retire(SourceState& state) {
  Session::Options options = session_options(-1);
  options.replication = true;
  Session session(options);
  Publication publication({config_.publication, config_.id, config_.tables}, {});
  wait_for_slot(session);
  undo(session, read_server(session), publication, config_.slot, state);
}

SourceGauges Postgres::gauges() const {
  SourceGauges gauges;
  std::uint64_t end = shared_.server_end.load(std::memory_order_relaxed);
  std::uint64_t received = shared_.received.load(std::memory_order_relaxed);
  if (end != 0) gauges.log_end_lag_bytes = static_cast<std::int64_t>(end > received ? end - received : 0);
  std::int64_t heard = shared_.heard_ns.load(std::memory_order_relaxed);
  std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  if (heard != 0) gauges.idle_us = (now - heard) / 1000;
  gauges.received_bytes = shared_.received_bytes.load(std::memory_order_relaxed);
  const std::uint64_t began = shared_.began.load(std::memory_order_relaxed);
  if (began != 0 && received > began) gauges.passed_bytes = received - began;
  gauges.schemas_known = shared_.relations.known.load(std::memory_order_relaxed);
  gauges.schemas_learnt = shared_.relations.learnt.load(std::memory_order_relaxed);
  return gauges;
}

void add(deltaforge::Catalogue& catalogue) { catalogue.sources.add<Postgres>("postgres"); }

}  // namespace deltaforge::sources::postgres
