// The PostgreSQL source: logical replication with pgoutput, PostgreSQL 13 to 18. Streaming only; snapshots are not in
// this build. Owned by the pipeline; run() on its source thread, release() and gauges() on any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/later_fields.h"
#include "config/node.h"
#include "config/report.h"
#include "config/secret.h"
#include "config/spec.h"
#include "config/table_pattern.h"
#include "core/component.h"
#include "core/source.h"
#include "schema/registry.h"
#include "sources/postgres/first_start.h"
#include "sources/postgres/messages.h"
#include "sources/postgres/publication.h"
#include "sources/postgres/relations.h"
#include "sources/postgres/stream.h"
#include "sources/postgres/wal_position.h"

namespace deltaforge::sources::postgres {

enum class OnSchemaDrift { adapt, halt };

// Messages that applications write into the log.
struct Outbox {
  std::vector<std::string> prefixes;

  static const config::Spec<Outbox>& spec();
  void check(const config::Node&, config::Report&) const;
};

struct Config {
  std::string id;
  config::Secret dsn;
  std::string slot;
  std::string publication;
  std::vector<config::TablePattern> tables;
  StartPosition start_position;
  OnSchemaDrift on_schema_drift = OnSchemaDrift::adapt;
  config::Snapshot snapshot;
  Outbox outbox;

  static const config::Spec<Config>& spec();
  void check(const config::Node&, config::Report&) const;
};

class Postgres final : public Source {
 public:
  using Config = postgres::Config;

  Postgres(Config, const SourceContext&);

  void run(Intake&, const Start&, std::stop_token) override;
  void release(const Position&) override;
  void retire(SourceState&) override;
  void plan(const Start&, PlanReport&) override;
  const PositionAlgebra& positions() const override { return algebra_; }
  SourceGauges gauges() const override;

 private:
  void run_until_stopped(Intake&, const Start&, int stop_fd, const std::stop_token&);
  // Everything that must hold before streaming; returns where it begins.
  WalPosition prepare(Session& replication, Session& statements, const ServerFacts&, Publication&, const Start&);
  void check_messages(const ServerFacts&) const;
  void check_stored(Session& replication, Session& statements, const ServerFacts&, const Start&);
  // Our own former connection may still hold the slot for a moment.
  void wait_for_slot(Session& statements);
  Session::Options session_options(int stop_fd) const;
  void note_lag(Session& statements);

  const Config config_;
  const SourceContext context_;
  const WalAlgebra algebra_{};
  schema::Registry schemas_;
  Shared shared_;
  RelationCache relations_;
  Messages messages_;
  int last_backend_ = 0;  // of our walsender, in this process
};

void add(deltaforge::Catalogue&);

}  // namespace deltaforge::sources::postgres
