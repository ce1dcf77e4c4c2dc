// The MySQL and MariaDB source: the binary log by GTID, or by file and offset. Which of the two it is, the handshake
// tells. Streaming only; snapshots are not in this build. Owned by the pipeline; run() on its source
// thread, release() and gauges() on any.
#pragma once

#include <optional>
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
#include "sources/mysql/binlog_position.h"
#include "sources/mysql/connection.h"
#include "sources/mysql/server.h"
#include "sources/mysql/stream.h"

namespace deltaforge::sources::mysql {

enum class OnSchemaDrift { adapt, halt };

// Tables whose rows are messages of applications.
struct Outbox {
  std::vector<config::TablePattern> tables;

  static const config::Spec<Outbox>& spec();
};

struct Config {
  std::string id;
  config::Secret dsn;
  std::vector<config::TablePattern> tables;  // empty: all but the system's
  std::optional<std::int64_t> server_id;     // without: made from the id
  OnSchemaDrift on_schema_drift = OnSchemaDrift::adapt;
  config::Snapshot snapshot;
  Outbox outbox;

  static const config::Spec<Config>& spec();
  void check(const config::Node&, config::Report&) const;
};

class MySql final : public Source {
 public:
  using Config = mysql::Config;

  MySql(Config, const SourceContext&);

  void run(Intake&, const Start&, std::stop_token) override;
  // The server keeps its log by its own rules; what we keep beside it is forgotten.
  void release(const Position& position) override { shared_.release(position); }
  void plan(const Start&, PlanReport&) override;
  const PositionAlgebra& positions() const override { return algebra_; }
  SourceGauges gauges() const override;

 private:
  void run_until_stopped(Intake&, const Start&, int stop_fd, const std::stop_token&);
  // Everything that must hold before streaming; returns where it begins.
  BinlogPosition prepare(Session&, const ServerFacts&, const Start&) const;
  void warn(Session&, const ServerFacts&, const Start&) const;
  std::string about_outbox(Session&) const;
  Session::Options session_options(int stop_fd) const;
  std::uint32_t server_id() const;
  bool captures(std::string_view database, std::string_view table) const;
  bool is_outbox(std::string_view database, std::string_view table) const;
  std::vector<std::string> patterns_without_table(const std::vector<SeenTable>&) const;

  const Config config_;
  const SourceContext context_;
  BinlogAlgebra algebra_;
  schema::Registry schemas_;
  Shared shared_;
  std::string doubted_;  // see LogWatch
};

// 1 + CRC-32 of the id, modulo 4,000,000,000: stays the same over restarts.
std::uint32_t server_id_of(std::string_view source_id);

void add(deltaforge::Catalogue&);

}  // namespace deltaforge::sources::mysql
