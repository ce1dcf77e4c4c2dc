// `deltaforge plan`: what run() would find on the server and make there. The checks are those of the start itself.
#include <algorithm>

#include <fmt/format.h>

#include "core/plan.h"
#include "sources/postgres/checks.h"
#include "sources/postgres/connection.h"
#include "sources/postgres/postgres.h"

namespace deltaforge::sources::postgres {
namespace {

using namespace std::chrono_literals;

// What the user of the dsn may do, and what the server has room for.
struct Permissions {
  bool may_replicate = false, may_create = false;
  int free_slots = 0;
};

Permissions read_permissions(Session& session) {
  Rows rows =
      session.query("asking what we may do",
                    // A managed server may give the right to the members of a role of its own.
                    "SELECT rolsuper OR rolreplication OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname ="
                    " 'rds_replication' AND pg_catalog.pg_has_role(r.oid, 'MEMBER')),"
                    " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),"
                    " pg_catalog.current_setting('max_replication_slots')::int"
                    " - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots)"
                    " FROM pg_catalog.pg_roles WHERE rolname = current_user");
  if (rows.empty()) return {};
  return {rows[0][0].value_or("") == "t", rows[0][1].value_or("") == "t", std::atoi(rows[0][2].value_or("0").c_str())};
}

// Only the owner of a table may publish it.
std::vector<std::string> not_owned(Session& session, const std::vector<const CatalogueTable*>& tables) {
  std::string oids;
  for (const CatalogueTable* table : tables) oids += (oids.empty() ? "" : ",") + std::to_string(table->oid);
  Rows rows = session.query(
      "asking whose the tables are",
      fmt::format("SELECT pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I;', n.nspname, c.relname, current_user)"
                  " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                  " WHERE c.oid = ANY ('{{{}}}'::oid[]) AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')"
                  " ORDER BY 1",
                  oids));
  std::vector<std::string> statements;
  for (const auto& row : rows) statements.push_back(row[0].value_or(""));
  return statements;
}

void tell_about_tables(const Publication& publication, const std::vector<CatalogueTable>& all, PlanReport& report) {
  std::vector<const CatalogueTable*> inserts_only, keys_only;
  std::vector<std::string> all_names;
  for (const CatalogueTable* table : publication.captured(all)) {
    all_names.push_back(table->name());
    if (!table->has_identity)
      inserts_only.push_back(table);
    else if (!table->full_identity)
      keys_only.push_back(table);
  }
  std::string count = fmt::format("tables that match: {}", all_names.size());
  report.fact(std::move(count), std::move(all_names));
  for (const config::TablePattern& pattern : publication.patterns())
    if (matches_nothing(pattern, all))
      report.warning(fmt::format("the table pattern {} matches no table", pattern.text()),
                     "check `tables`; unlogged and temporary tables have no changes to capture");
  if (!inserts_only.empty())
    report.warning("no usable replica identity, only inserts and truncates are captured: " + list(inserts_only),
                   "ALTER TABLE ... REPLICA IDENTITY FULL, or add a primary key");
  if (!keys_only.empty())
    report.warning("before images hold the key only: " + list(keys_only),
                   "ALTER TABLE ... REPLICA IDENTITY FULL for whole rows");
}

// One of ours: what keep_up() would change.
void plan_membership(Session& session, const Publication& publication, const std::string& name,
                     const std::vector<CatalogueTable>& all, PlanReport& report) {
  const MembershipChange change =
      membership_change(all, [&](auto schema, auto table) { return publication.captures(schema, table); });
  std::vector<const CatalogueTable*> touched;
  auto take = [&](const std::vector<const CatalogueTable*>& tables, const std::string& to, const std::string& from) {
    if (tables.empty()) return;
    std::vector<std::string> statements;
    if (!from.empty())
      statements.push_back(
          fmt::format("ALTER PUBLICATION {} DROP TABLE {};", session.identifier(from), quoted(session, tables)));
    statements.push_back(
        fmt::format("ALTER PUBLICATION {} ADD TABLE {};", session.identifier(to), quoted(session, tables)));
    report.step(fmt::format("adds {} to publication {}: rows written before this are not captured", list(tables), to),
                std::move(statements));
    touched.insert(touched.end(), tables.begin(), tables.end());
  };
  const std::string& inserts = publication.inserts();
  const bool has_inserts = publication.inserts_oid() != 0;
  take(change.add_to_main, name, "");
  take(change.move_to_main, name, inserts);
  if (has_inserts) {
    take(change.add_to_inserts, inserts, "");
    take(change.move_to_inserts, inserts, name);
  }
  if (std::string statements = fmt::format("{}", fmt::join(not_owned(session, touched), " ")); !statements.empty())
    report.warning(fmt::format("user {} does not own all of these tables: they will not be captured", session.user()),
                   statements);
}

// Asked in the order in which a start makes things; what one check says does not keep the others from theirs.
class Planner {
 public:
  Planner(Session& statements, const Config& config, const Start& start, PlanReport& report)
      : statements_(statements),
        config_(config),
        start_(start),
        report_(report),
        publication_({config.publication, config.id, config.tables}, [](auto, auto) {}) {}

  void look(const Session::Options& options) {
    server_ = read_settings(statements_);
    permissions_ = read_permissions(statements_);
    report_.fact(fmt::format("PostgreSQL {} at {}, database {}, user {}", statements_.parameter("server_version"),
                             statements_.where(), server_.database, server_.user));
    if (statements_.crosses_network_in_plain_text())
      report_.warning("rows and password cross the network to " + statements_.where() + " in plain text",
                      "add sslmode=verify-full to the dsn");
    report_.check([&] { check_server(server_); });
    if (!permissions_.may_replicate)
      report_.problem(fmt::format("user {} may not read the log", server_.user),
                      fmt::format("ALTER ROLE {} REPLICATION;", statements_.identifier(server_.user)));
    else
      report_.check([&] { look_at_log(options); });
    plan_publication();
    plan_slot();
  }

 private:
  bool first() const { return start_.meet.empty(); }

  // As a replication connection tells it.
  void look_at_log(Session::Options options) {
    options.replication = true;
    options.same_as = &statements_;
    Session replication(options);
    server_ = read_server(replication);
    knows_system_ = true;
    if (first()) return;
    const auto history = read_history(replication, server_.timeline);
    auto check = [&](const Position& at) {
      return report_.check([&] { check_position(at.as<WalPosition>(), config_.slot, server_, history); });
    };
    bool sound = check(start_.meet);
    for (const Position& lane : start_.lanes)
      if (sound && !lane.empty()) sound = check(lane);
  }

  void plan_publication() {
    slot_ = read_slot(statements_, config_.slot);
    publication_.read(statements_);
    const std::vector<CatalogueTable> all = publication_.all_tables(statements_);
    tell_about_tables(publication_, all, report_);
    if (!publication_.exists() && first()) return plan_new_publication(all);
    if (!first())
      report_.check([&] {
        check_publication(publication_, config_.publication, config_.slot, start_.meet.as<WalPosition>(), server_,
                          *start_.state);
      });
    if (!publication_.exists()) return;
    report_.fact(
        fmt::format("publication {} exists, {}", config_.publication,
                    publication_.ours() ? "made by this pipeline" : "not made by this pipeline: it stays as it is"));
    if (publication_.ours()) return plan_membership(statements_, publication_, config_.publication, all, report_);
    if (config_.tables.empty()) return;
    if (auto missing = publication_.lacking(statements_, all); !missing.empty())
      report_.warning(
          fmt::format("publication {} lacks {}: its changes are not captured", config_.publication, list(missing)),
          fmt::format("ALTER PUBLICATION {} ADD TABLE {};", statements_.identifier(config_.publication),
                      quoted(statements_, missing)));
  }

  void plan_new_publication(const std::vector<CatalogueTable>& all) {
    if (!report_.check([&] { check_can_be_made(config_.slot, slot_.exists, config_.start_position, server_); })) return;
    const Publication::Draft draft = publication_.draft(statements_, all);
    report_.step(fmt::format("makes the publications {} ({} tables) and {} ({} tables without replica identity)",
                             config_.publication, draft.main.size(), publication_.inserts(), draft.inserts.size()),
                 draft.statements);
    if (!permissions_.may_create)
      report_.problem(fmt::format("user {} may not make a publication in database {}", server_.user, server_.database),
                      fmt::format("GRANT CREATE ON DATABASE {} TO {};", statements_.identifier(server_.database),
                                  statements_.identifier(server_.user)));
    std::vector<const CatalogueTable*> wanted = draft.main;
    wanted.insert(wanted.end(), draft.inserts.begin(), draft.inserts.end());
    if (auto transfers = not_owned(statements_, wanted); !transfers.empty())
      report_.problem(
          fmt::format("user {} does not own {} of the tables, and only an owner may publish one", server_.user,
                      transfers.size()),
          fmt::format("{} Or let their owner run: {}", fmt::join(transfers, " "), fmt::join(draft.statements, " ")));
  }

  void plan_slot() {
    if (slot_.exists) {
      report_.fact(fmt::format("replication slot {} exists{}: confirmed_flush_lsn {}, restart_lsn {}, wal_status {}",
                               config_.slot,
                               !knows_system_                                     ? ""
                               : made_by_us(config_.slot, server_, *start_.state) ? ", made by this pipeline"
                                                                                  : ", not made by this pipeline",
                               to_string(slot_.confirmed), to_string(slot_.restart), slot_.wal_status));
      report_.check([&] { check_slot(slot_, config_.slot, server_); });
      report_.check([&] { check_slot_is_free(slot_, config_.slot); });
    }
    if (first()) return plan_first_start();
    const auto& meet = start_.meet.as<WalPosition>();
    if (report_.check([&] { check_slot_covers(meet, slot_, config_.slot); }))
      report_.fact(fmt::format("goes on at {}, {} bytes before the end of the log", to_string(meet.lsn),
                               number(server_.flushed) - std::min(number(server_.flushed), number(meet.lsn))));
  }

  void plan_first_start() {
    using Kind = StartPosition::Kind;
    const Kind kind = config_.start_position.kind;
    // A slot that is made begins at the end of the log, or a little later.
    const Lsn oldest = slot_.exists ? slot_.confirmed : server_.flushed;
    report_.check([&] { check_wanted(config_.start_position, config_.slot, oldest, server_.flushed); });
    if (!slot_.exists) plan_new_slot();
    const Lsn begins = kind == Kind::lsn ? config_.start_position.lsn : kind == Kind::latest ? server_.flushed : oldest;
    report_.fact(fmt::format("first start: begins {} {}",
                             slot_.exists && kind != Kind::latest ? "at" : "behind what is committed by then, now",
                             to_string(begins)));
    if (slot_.exists && knows_system_ && !made_by_us(config_.slot, server_, *start_.state))
      report_.warning("takes an existing replication slot over: what it has confirmed counts as delivered",
                      "name another `slot` if another program reads from this one");
  }

  void plan_new_slot() {
    report_.step(fmt::format("makes the replication slot {}", config_.slot),
                 {create_slot_command(statements_, config_.slot)});
    if (permissions_.free_slots <= 0)
      report_.problem("the server has no free replication slot",
                      "drop a slot that nobody needs, or ALTER SYSTEM SET max_replication_slots = ...; then restart "
                      "the server");
    if (std::string who = open_transactions(statements_); !who.empty())
      report_.warning("the server makes the slot when the transactions have ended that are open now: " + who);
  }

  Session& statements_;
  const Config& config_;
  const Start& start_;
  PlanReport& report_;
  Publication publication_;
  ServerFacts server_;
  bool knows_system_ = false;  // a replication connection could be had
  Permissions permissions_;
  SlotFacts slot_;
};

}  // namespace

void Postgres::plan(const Start& start, PlanReport& report) {
  Session::Options options = session_options(-1);
  options.read_only = true;
  options.answer_time = 10s;
  Session statements(options);
  Planner(statements, config_, start, report).look(options);
}

}  // namespace deltaforge::sources::postgres
