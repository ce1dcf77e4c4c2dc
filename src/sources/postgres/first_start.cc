#include "sources/postgres/first_start.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "config/read.h"
#include "obs/log.h"
#include "sources/postgres/checks.h"

namespace deltaforge::sources::postgres {
namespace {

constexpr std::string_view kIntent = "slot_intent";
constexpr std::string_view kPublication = "publication";

std::string intent_of(const std::string& slot, const ServerFacts& server) {
  return nlohmann::json{
      {"slot", slot}, {"system_identifier", std::to_string(server.system)}, {"database", server.database}}
      .dump();
}

std::string publication_record(const Publication& publication) {
  return nlohmann::json{{"oid", publication.oid()}, {"inserts_oid", publication.inserts_oid()}}.dump();
}

bool has_second(const std::string& record) {
  return nlohmann::json::parse(record, nullptr, false).value("inserts_oid", 0U) != 0;
}

void ensure_publication(const FirstStart& first, bool slot_exists) {
  first.publication.read(first.statements);
  if (first.publication.exists()) return;
  check_can_be_made(first.slot, slot_exists, first.wanted, first.server);
  first.publication.create(first.statements);
}

Lsn create_slot(const FirstStart& first, const Start& start) {
  const std::string key = "creating slot " + first.slot;
  auto slow = [&] {
    const std::string blockers = open_transactions(first.statements);
    std::string text = fmt::format("waiting for open transactions to end before slot \"{}\" can be made: {}",
                                   first.slot, blockers.empty() ? "none is visible to us" : blockers);
    obs::log_limited(obs::Level::warn, first.slot, text);
    start.warn(key, text);
  };
  Rows rows = first.replication.query(
      "creating the replication slot " + first.slot, create_slot_command(first.replication, first.slot), slow,
      fmt::format(
          "raise max_replication_slots or drop a slot that nobody needs; the role needs ALTER ROLE {} REPLICATION",
          first.replication.identifier(first.server.user)));
  start.warn(key, "");
  auto lsn = rows.empty() ? std::nullopt : parse_lsn(rows[0].at(1).value_or(""));
  if (!lsn) throw Error(ErrorKind::unavailable, "creating the replication slot " + first.slot + ": an odd answer");
  obs::info("created the replication slot", {{"slot", first.slot}, {"lsn", to_string(*lsn)}});
  return *lsn;
}

Lsn wanted_lsn(const FirstStart& first, Lsn oldest) {
  if (first.wanted.kind == StartPosition::Kind::earliest) return oldest;
  const Lsn flushed = read_server(first.replication).flushed;
  if (first.wanted.kind == StartPosition::Kind::latest) return std::max(oldest, flushed);
  check_wanted(first.wanted, first.slot, oldest, flushed);
  return first.wanted.lsn;
}

}  // namespace

void check_can_be_made(const std::string& slot, bool slot_exists, const StartPosition& wanted,
                       const ServerFacts& server) {
  if (server.in_recovery)
    throw Error(ErrorKind::config,
                "the publication does not exist, and the server is a standby, where none can be made",
                "CREATE PUBLICATION on the primary first");
  if (slot_exists && wanted.kind != StartPosition::Kind::latest)
    throw Error(
        ErrorKind::config,
        fmt::format("replication slot \"{}\" exists, but its publication does not: the log that the slot holds "
                    "cannot be read with a publication that is made now",
                    slot),
        fmt::format("SELECT pg_drop_replication_slot('{}') to have both made anew, or begin after what the slot "
                    "holds with start_position: latest",
                    slot));
}

bool made_by_us(const std::string& slot, const ServerFacts& server, SourceState& state) {
  return state.get(kIntent) == intent_of(slot, server);
}

void check_wanted(const StartPosition& wanted, const std::string& slot, Lsn oldest, Lsn flushed) {
  if (wanted.kind != StartPosition::Kind::lsn || (wanted.lsn >= oldest && wanted.lsn <= flushed)) return;
  throw Error(
      ErrorKind::config,
      fmt::format("start_position {} is not in the log that slot \"{}\" holds, which begins at {} and ends at {}",
                  to_string(wanted.lsn), slot, to_string(oldest), to_string(flushed)),
      "use start_position: earliest, or an lsn in between");
}

std::string open_transactions(Session& statements) {
  Rows rows = statements.query(
      "looking for open transactions",
      "SELECT pg_catalog.format('PID %s of %s in %s since %s (%s)', pid, usename, datname, xact_start, state)"
      " FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()"
      " UNION ALL SELECT pg_catalog.format('prepared transaction %L of %s in %s since %s', gid, owner, database, "
      "prepared)"
      " FROM pg_catalog.pg_prepared_xacts LIMIT 10");
  std::string text;
  for (const auto& row : rows) text += (text.empty() ? "" : "; ") + row[0].value_or("");
  return text;
}

std::string create_slot_command(const Session& session, const std::string& slot) {
  return fmt::format("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput NOEXPORT_SNAPSHOT", session.identifier(slot));
}

void read_start_position(const config::Node& node, StartPosition& out, config::Report& report) {
  constexpr std::string_view kExpected = "write earliest, latest, or lsn:0/16B6C50";
  std::string text;
  std::size_t before = report.problems().size();
  const config::Node* lsn = node.find("lsn");
  if (node.is_map() && (lsn == nullptr || node.children().size() != 1))
    return report.add(node, "not a start position; " + std::string(kExpected));
  config::read(lsn != nullptr ? *lsn : node, text, {}, report);
  if (report.problems().size() != before) return;
  if (lsn == nullptr && text == "earliest") {
    out = {};
  } else if (lsn == nullptr && text == "latest") {
    out = {StartPosition::Kind::latest, {}};
  } else {
    bool prefixed = lsn == nullptr && text.starts_with("lsn:");
    auto parsed =
        lsn != nullptr || prefixed ? parse_lsn(std::string_view(text).substr(prefixed ? 4 : 0)) : std::nullopt;
    if (!parsed) return report.add(node, "not a start position; " + std::string(kExpected));
    out = {StartPosition::Kind::lsn, *parsed};
  }
}

WalPosition begin(const FirstStart& first, const Start& start) {
  SlotFacts slot = read_slot(first.statements, first.slot);
  ensure_publication(first, slot.exists);
  start.state->put(kPublication, publication_record(first.publication));
  Lsn oldest{};
  if (slot.exists) {
    check_slot(slot, first.slot, first.server);
    check_slot_is_free(slot, first.slot);
    oldest = slot.confirmed;
    if (!made_by_us(first.slot, first.server, *start.state))
      obs::warn("took an existing replication slot over: what it has confirmed counts as delivered",
                {{"slot", first.slot}, {"lsn", to_string(oldest)}});
  } else {
    start.state->put(kIntent, intent_of(first.slot, first.server));
    oldest = create_slot(first, start);
  }
  WalPosition at;
  at.system = first.server.system;
  at.timeline = first.server.timeline;
  at.database = first.server.database;
  at.lsn = wanted_lsn(first, oldest);
  start.begin_at(Position(std::make_unique<WalPosition>(at)));
  return at;
}

void check_publication(const Publication& publication, const std::string& name, const std::string& slot,
                       const WalPosition& at, const ServerFacts& server, SourceState& state) {
  if (!publication.exists())
    throw position_lost(fmt::format("publication {} does not exist any more, the changes after {} cannot be read", name,
                                    to_string(at.lsn)),
                        slot);
  if (!publication.narrowed().empty())
    throw position_lost(fmt::format("publication {} was altered after {}: it no longer publishes every change of its "
                                    "tables, what it left out since cannot be read",
                                    publication.narrowed(), to_string(at.lsn)),
                        slot);
  std::string now = publication_record(publication);
  auto kept = state.get(kPublication);
  if (kept == now) return;
  const bool second_is_gone = publication.inserts_oid() == 0 && kept && has_second(*kept);
  if (second_is_gone || (kept && server.version >= 180000))
    throw position_lost(
        fmt::format("publication {}{} was dropped{} after {}: what was written since cannot be read", name,
                    second_is_gone ? "_inserts" : "", second_is_gone ? "" : " and made again", to_string(at.lsn)),
        slot);
  state.put(kPublication, now);
}

void undo(Session& session, const ServerFacts& server, Publication& publication, const std::string& slot,
          SourceState& state) {
  const bool ours = made_by_us(slot, server, state);
  if (read_slot(session, slot).exists) {
    if (ours)
      session.query("dropping the replication slot " + slot,
                    fmt::format("SELECT pg_catalog.pg_drop_replication_slot({})", session.literal(slot)));
    obs::info(ours ? "dropped the replication slot, the pipeline is deleted"
                   : "the replication slot was there before the pipeline and stays: it goes on holding the log",
              {{"slot", slot}});
  }
  publication.read(session);
  if (publication.ours()) publication.drop(session);
}

}  // namespace deltaforge::sources::postgres
