// The publications of a pipeline: <publication> and <publication>_inserts, the latter for tables whose UPDATE and
// DELETE cannot be published (publishing them would make the application's own statements fail). Made by us for the
// matched tables by name, and kept up as tables come and go. One that somebody else made is used as it is, never
// altered; what it lacks is named. Ours are known by a comment that is made in the same transaction. Source thread
// only.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "config/table_pattern.h"
#include "sources/postgres/connection.h"
#include "sources/postgres/membership.h"

namespace deltaforge::sources::postgres {

// Whether the option `tables` names this one. No patterns: every table.
bool captured_by(const std::vector<config::TablePattern>& tables, std::string_view schema, std::string_view table);

class Publication {
 public:
  struct Settings {
    std::string name;
    std::string source_id;
    std::vector<config::TablePattern> tables;  // empty: all
  };
  using Warn = std::function<void(std::string_view key, std::string_view text)>;

  Publication(Settings settings, Warn warn);

  // Reads what exists; what is below says what was found.
  void read(Session&);
  bool exists() const { return oid_ != 0; }
  bool ours() const { return ours_; }
  std::uint32_t oid() const { return oid_; }
  std::uint32_t inserts_oid() const { return inserts_oid_; }  // 0: there is none of ours
  // The name of one of ours that somebody made publish less than all of its tables' changes; else empty.
  const std::string& narrowed() const { return narrowed_; }

  // Both, for the tables that match now, in one transaction.
  void create(Session&);
  // Both, when they are ours.
  void drop(Session&);
  // Compares with the catalogue: adds and moves tables when ours, names what lacks. Cheap when nothing changed.
  // `first`: of this start, which also tells about identities and patterns that match nothing.
  void keep_up(Session&, bool first);

  // For who only looks (plan.cc).
  std::vector<CatalogueTable> all_tables(Session& session) const { return read_tables(session, true); }
  std::vector<const CatalogueTable*> captured(const std::vector<CatalogueTable>& tables) const {
    return captured_tables(tables, [this](auto schema, auto table) { return captures(schema, table); });
  }
  // What create() would do.
  struct Draft {
    std::vector<const CatalogueTable*> main, inserts;
    std::vector<std::string> statements;
    std::string remedy;  // when the server refuses them
  };
  Draft draft(const Session&, const std::vector<CatalogueTable>&) const;
  // Captured tables that a publication which is not ours leaves out.
  std::vector<const CatalogueTable*> lacking(Session&, const std::vector<CatalogueTable>&) const;
  const std::vector<config::TablePattern>& patterns() const { return settings_.tables; }
  const std::string& inserts() const { return inserts_; }

  bool captures(std::string_view schema, std::string_view table) const {
    return captured_by(settings_.tables, schema, table);
  }
  // For START_REPLICATION: "p","p_inserts"
  std::string names(const Session&) const;

 private:
  std::vector<CatalogueTable> read_tables(Session&, bool all) const;
  void apply(Session&, const MembershipChange&);
  bool alter(Session&, const std::string& doing, const std::string& statements);
  void tell_about_tables(const std::vector<CatalogueTable>&);
  void tell_about_inserts_only();
  std::string create_statement(const Session&, const std::vector<const CatalogueTable*>&) const;

  const Settings settings_;
  const std::string inserts_;  // the second one's name
  Warn warn_;
  std::uint32_t oid_ = 0, inserts_oid_ = 0;
  bool ours_ = false;
  std::string narrowed_;
  std::set<std::string> inserts_only_;  // tables in the second one, for the warning
};

// Whether no table of the database that has a log is meant by it.
bool matches_nothing(const config::TablePattern&, const std::vector<CatalogueTable>&);
std::string quoted(const Session&, const std::vector<const CatalogueTable*>&);
// The first ones, and how many more.
std::string list(const std::vector<const CatalogueTable*>&);

}  // namespace deltaforge::sources::postgres
