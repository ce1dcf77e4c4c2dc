#include "sources/postgres/publication.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "obs/log.h"
#include "sources/postgres/relations.h"

namespace deltaforge::sources::postgres {
namespace {

using Tables = std::vector<const CatalogueTable*>;

constexpr std::size_t kLongestName = 63;
constexpr std::string_view kSuffix = "_inserts";
constexpr std::size_t kMostNamed = 10;

// The server cuts long names off at 63 bytes, which would make both publications one.
std::string inserts_name(std::string name) {
  if (name.size() + kSuffix.size() > kLongestName) {
    name.resize(kLongestName - kSuffix.size());
    while (!name.empty() && (static_cast<unsigned char>(name.back()) & 0xC0) == 0x80) name.pop_back();
  }
  return name + std::string(kSuffix);
}

std::uint32_t to_oid(const std::optional<std::string>& text) {
  std::uint32_t oid = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), oid);
  return oid;
}

// {1,2}
std::vector<std::uint32_t> to_oids(std::string_view text) {
  std::vector<std::uint32_t> oids;
  for (const char* at = text.data(); at < text.data() + text.size(); ++at) {
    std::uint32_t oid = 0;
    auto [end, error] = std::from_chars(at, text.data() + text.size(), oid);
    if (error != std::errc()) continue;
    oids.push_back(oid);
    at = end;
  }
  return oids;
}

std::string quoted(const Session& session, const CatalogueTable& table) {
  return session.identifier(table.schema) + "." + session.identifier(table.table);
}

// Where generated columns can be published they must be: an identity that holds one would else make the application's
// own UPDATE and DELETE fail.
std::string options(const Session& session) {
  std::string text = "publish_via_partition_root = true";
  if (session.server_version() >= 180000) text += ", publish_generated_columns = stored";
  return text;
}

// A table has a usable identity when the server lets UPDATE and DELETE of it be published; of a partitioned one, all
// its leaves must have one, for the check falls on them. Virtual generated columns (18 and later) cannot be published,
// and FULL means all columns.
constexpr const char* kTables = R"(
WITH t AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relispartition, c.relreplident,
    CASE c.relreplident WHEN 'n' THEN false WHEN 'f' THEN NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attgenerated = 'v')
      WHEN 'd' THEN EXISTS (SELECT FROM pg_catalog.pg_index i
        WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid)
      ELSE EXISTS (SELECT FROM pg_catalog.pg_index i
        WHERE i.indrelid = c.oid AND i.indisreplident AND i.indimmediate AND i.indisvalid) END AS usable,
    EXISTS (SELECT FROM pg_catalog.pg_publication_rel r WHERE r.prrelid = c.oid AND r.prpubid = {0}) AS in_main,
    EXISTS (SELECT FROM pg_catalog.pg_publication_rel r WHERE r.prrelid = c.oid AND r.prpubid = {1}) AS in_inserts
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'),
u AS (
  SELECT t.*, t.usable AND (t.relkind <> 'p' OR NOT EXISTS (
    SELECT FROM pg_catalog.pg_partition_tree(t.oid) p JOIN t leaf ON leaf.oid = p.relid
    WHERE p.isleaf AND NOT leaf.usable)) AS all_usable,
    CASE WHEN t.relispartition THEN ARRAY(SELECT a.relid::pg_catalog.oid
      FROM pg_catalog.pg_partition_ancestors(t.oid) a WHERE a.relid <> t.oid) END AS ancestors
  FROM t)
SELECT oid, nspname, relname, relpersistence = 'p', all_usable, relreplident = 'f', in_main, in_inserts, ancestors
FROM u WHERE {2} ORDER BY nspname, relname)";

// {0}, {1}: the names, {2}: the comment that makes them ours, {3}: kNarrowed where the server knows such things.
constexpr const char* kPublications = R"(
SELECT p.oid, p.pubname = {0}, pg_catalog.obj_description(p.oid, 'pg_publication') = {2},
  NOT (p.pubinsert AND p.pubtruncate AND (p.pubname = {1} OR p.pubupdate AND p.pubdelete)) OR {3}
FROM pg_catalog.pg_publication p WHERE p.pubname IN ({0}, {1}))";
constexpr const char* kNarrowed =
    "EXISTS (SELECT FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND (r.prqual IS NOT NULL OR "
    "r.prattrs IS NOT NULL))";

// Members in their right place need no look. Ancestors of the others do: a partition comes with its root.
constexpr const char* kOutOfPlace = "NOT (all_usable AND in_main OR NOT all_usable AND in_inserts) OR relkind = 'p'";

}  // namespace

Publication::Publication(Settings settings, Warn warn)
    : settings_(std::move(settings)), inserts_(inserts_name(settings_.name)), warn_(std::move(warn)) {}

std::string list(const Tables& tables) {
  std::string text;
  for (std::size_t i = 0; i < std::min(tables.size(), kMostNamed); ++i)
    text += (i == 0 ? "" : ", ") + tables[i]->name();
  if (tables.size() > kMostNamed) text += fmt::format(" and {} more", tables.size() - kMostNamed);
  return text;
}

std::string quoted(const Session& session, const Tables& tables) {
  std::string text;
  for (const CatalogueTable* table : tables) text += (text.empty() ? "" : ", ") + quoted(session, *table);
  return text;
}

bool matches_nothing(const config::TablePattern& pattern, const std::vector<CatalogueTable>& tables) {
  return std::ranges::none_of(
      tables, [&](const CatalogueTable& t) { return t.logged && pattern.matches(t.schema, t.table, "public"); });
}

bool captured_by(const std::vector<config::TablePattern>& tables, std::string_view schema, std::string_view table) {
  return tables.empty() || std::ranges::any_of(tables, [&](const config::TablePattern& pattern) {
           return pattern.matches(schema, table, "public");
         });
}

void Publication::read(Session& session) {
  Rows rows =
      session.query("looking at publication " + settings_.name,
                    fmt::format(fmt::runtime(kPublications), session.literal(settings_.name), session.literal(inserts_),
                                session.literal("deltaforge source " + settings_.source_id),
                                session.server_version() >= 150000 ? kNarrowed : "false"));
  oid_ = inserts_oid_ = 0;
  ours_ = false;
  narrowed_.clear();
  for (const auto& row : rows) {
    bool is_ours = row[2].value_or("f") == "t";
    if (is_ours && row[3].value_or("f") == "t") narrowed_ = row[1].value_or("") == "t" ? settings_.name : inserts_;
    if (row[1].value_or("") == "t") {
      oid_ = to_oid(row[0]);
      ours_ = is_ours;
    } else if (is_ours) {
      inserts_oid_ = to_oid(row[0]);
    }
  }
  if (!ours_) {
    inserts_oid_ = 0;
    narrowed_.clear();
  }
}

std::vector<CatalogueTable> Publication::read_tables(Session& session, bool all) const {
  Rows rows = session.query("listing the tables of the database",
                            fmt::format(fmt::runtime(kTables), oid_, inserts_oid_, all ? "true" : kOutOfPlace));
  std::vector<CatalogueTable> tables;
  for (const auto& row : rows) {
    auto yes = [&row](std::size_t column) { return row[column].value_or("") == "t"; };
    tables.push_back({to_oid(row[0]), row[1].value_or(""), row[2].value_or(""), yes(3), yes(4), yes(5), yes(6), yes(7),
                      to_oids(row[8].value_or(""))});
  }
  return tables;
}

std::string Publication::create_statement(const Session& session, const Tables& tables) const {
  return fmt::format("CREATE PUBLICATION {}{}{} WITH ({});", session.identifier(settings_.name),
                     tables.empty() ? "" : " FOR TABLE ", quoted(session, tables), options(session));
}

Publication::Draft Publication::draft(const Session& session, const std::vector<CatalogueTable>& all) const {
  Draft draft;
  for (const CatalogueTable* table : captured(all)) (table->has_identity ? draft.main : draft.inserts).push_back(table);
  const std::string comment = session.literal("deltaforge source " + settings_.source_id);
  const std::string first = session.identifier(settings_.name), second = session.identifier(inserts_);
  // The second one is made even when it is empty: a publication that is made after the slot cannot be used for the
  // log before it.
  draft.statements = {
      create_statement(session, draft.main), fmt::format("COMMENT ON PUBLICATION {} IS {};", first, comment),
      fmt::format("CREATE PUBLICATION {}{}{} WITH (publish = 'insert, truncate', {});", second,
                  draft.inserts.empty() ? "" : " FOR TABLE ", quoted(session, draft.inserts), options(session)),
      fmt::format("COMMENT ON PUBLICATION {} IS {};", second, comment)};
  draft.remedy =
      fmt::format("GRANT CREATE ON DATABASE {0} TO {1}; and make it owner of the tables, or let their owner run: {2}",
                  session.identifier(session.database()), session.identifier(session.user()),
                  create_statement(session, draft.main.empty() ? draft.inserts : draft.main));
  return draft;
}

void Publication::create(Session& session) {
  const std::vector<CatalogueTable> all = read_tables(session, true);
  const Draft made = draft(session, all);
  std::string sql = "BEGIN; SET LOCAL lock_timeout = '10s';";
  for (const std::string& statement : made.statements) sql += " " + statement;
  session.query("creating the publications " + settings_.name + " and " + inserts_, sql + " COMMIT", {}, made.remedy);
  obs::info("created the publications", {{"publication", settings_.name},
                                         {"tables", static_cast<std::uint64_t>(made.main.size())},
                                         {"tables_insert_only", static_cast<std::uint64_t>(made.inserts.size())}});
  read(session);
}

void Publication::drop(Session& session) {
  std::string both = session.identifier(settings_.name);
  if (inserts_oid_ != 0) both += ", " + session.identifier(inserts_);
  session.query("dropping publication " + settings_.name, "DROP PUBLICATION " + both);
  obs::info("dropped the publication, the pipeline is deleted", {{"publication", settings_.name}});
}

void Publication::keep_up(Session& session, bool first) {
  std::vector<CatalogueTable> tables = read_tables(session, first || !ours_);
  if (first) tell_about_tables(tables);
  if (ours_) return apply(session, membership_change(tables, [this](auto s, auto t) { return captures(s, t); }));
  Tables missing = settings_.tables.empty() ? Tables{} : lacking(session, tables);
  warn_("publication",
        missing.empty()
            ? ""
            : fmt::format("publication {} lacks {}: its changes are not captured; ALTER PUBLICATION {} "
                          "ADD TABLE {};",
                          settings_.name, list(missing), session.identifier(settings_.name), quoted(session, missing)));
}

// Of a publication that is not ours. A partitioned table is there if it or any of its partitions is listed.
Tables Publication::lacking(Session& session, const std::vector<CatalogueTable>& tables) const {
  Rows rows = session.query(
      "listing the tables of publication " + settings_.name,
      "SELECT t.relid FROM pg_catalog.pg_get_publication_tables(" + session.literal(settings_.name) + ") t");
  std::vector<std::uint32_t> listed;
  for (const auto& row : rows) listed.push_back(to_oid(row[0]));
  auto is_listed = [&listed](std::uint32_t oid) { return std::ranges::count(listed, oid) > 0; };
  Tables missing;
  for (const CatalogueTable* table : captured(tables)) {
    bool there = is_listed(table->oid) || std::ranges::any_of(table->ancestors, is_listed) ||
                 std::ranges::any_of(tables, [&](const CatalogueTable& other) {
                   return std::ranges::count(other.ancestors, table->oid) > 0 && is_listed(other.oid);
                 });
    if (!there) missing.push_back(table);
  }
  return missing;
}

void Publication::apply(Session& session, const MembershipChange& change) {
  Tables keyless = change.add_to_inserts;
  keyless.insert(keyless.end(), change.move_to_inserts.begin(), change.move_to_inserts.end());
  const bool no_place = inserts_oid_ == 0 && !keyless.empty();
  warn_("publication_inserts",
        no_place ? fmt::format("publication {} was dropped: {} cannot be captured without a replica identity", inserts_,
                               list(keyless))
                 : "");
  if (no_place) return;
  std::string main = "ALTER PUBLICATION " + session.identifier(settings_.name);
  std::string inserts = "ALTER PUBLICATION " + session.identifier(inserts_);
  auto each = [&](const Tables& tables, std::string_view what, bool inserts_only, auto statements) {
    for (const CatalogueTable* table : tables) {
      if (!alter(session, fmt::format("adding table {} to the publication", table->name()),
                 statements(quoted(session, *table))))
        continue;
      obs::warn(what, {{"table", table->name()}, {"publication", settings_.name}});
      if (inserts_only)
        inserts_only_.insert(table->name());
      else
        inserts_only_.erase(table->name());
    }
  };
  constexpr std::string_view kAdded = "table added to the publication: rows written before this are not captured";
  constexpr std::string_view kInsertsOnly =
      "table has no replica identity, only its inserts and truncates are captured until it has one: "
      "ALTER TABLE ... REPLICA IDENTITY FULL, or add a primary key";
  each(change.add_to_main, kAdded, false, [&](const std::string& table) { return main + " ADD TABLE " + table; });
  each(change.add_to_inserts, kAdded, true, [&](const std::string& table) { return inserts + " ADD TABLE " + table; });
  each(
      change.move_to_main, "table has a replica identity now: its updates and deletes are captured from here on", false,
      [&](const std::string& table) { return inserts + " DROP TABLE " + table + "; " + main + " ADD TABLE " + table; });
  each(change.move_to_inserts, kInsertsOnly, true, [&](const std::string& table) {
    return main + " DROP TABLE " + table + "; " + inserts + " ADD TABLE " + table;
  });
  tell_about_inserts_only();
}

// False: not this time; the next look tries again. The stream does not wait for the table's lock.
bool Publication::alter(Session& session, const std::string& doing, const std::string& statements) try {
  session.query(doing, "BEGIN; SET LOCAL lock_timeout = '1s'; " + statements + "; COMMIT", {},
                "make the user owner of the table, or let its owner run: " + statements);
  warn_(doing, "");
  return true;
} catch (const Error& error) {
  if (error.kind() == ErrorKind::auth) warn_(doing, error.what());
  obs::log_limited(obs::Level::warn, settings_.source_id, error.what(), {{"source", settings_.source_id}});
  return false;
}

void Publication::tell_about_tables(const std::vector<CatalogueTable>& tables) {
  Tables keys_only, inserts_only;
  for (const CatalogueTable* table : captured(tables)) {
    if (!table->has_identity)
      inserts_only.push_back(table);
    else if (!table->full_identity)
      keys_only.push_back(table);
  }
  if (!keys_only.empty())
    obs::warn("before images of these tables hold the key only: ALTER TABLE ... REPLICA IDENTITY FULL for whole rows",
              {{"source", settings_.source_id}, {"tables", list(keys_only)}});
  inserts_only_.clear();
  if (ours_)
    for (const CatalogueTable* table : inserts_only) inserts_only_.insert(table->name());
  tell_about_inserts_only();
  std::string unmatched;
  for (const config::TablePattern& pattern : settings_.tables) {
    if (!matches_nothing(pattern, tables)) continue;
    obs::warn("a table pattern matches no table yet; unlogged and temporary tables have no changes to capture",
              {{"source", settings_.source_id}, {"pattern", pattern.text()}});
    unmatched += (unmatched.empty() ? "" : ", ") + std::string(pattern.text());
  }
  warn_("tables", unmatched.empty() ? "" : "no table matched at the start: " + unmatched + "; check `tables`");
}

void Publication::tell_about_inserts_only() {
  std::string names;
  for (const std::string& name : inserts_only_) names += (names.empty() ? "" : ", ") + name;
  warn_("replica_identity", names.empty()
                                ? ""
                                : "no usable replica identity, only inserts and truncates are captured: " + names +
                                      "; ALTER TABLE ... REPLICA IDENTITY FULL, or add a primary key");
}

std::string Publication::names(const Session& session) const {
  std::string names = session.identifier(settings_.name);
  if (inserts_oid_ != 0) names += "," + session.identifier(inserts_);
  return names;
}

}  // namespace deltaforge::sources::postgres
