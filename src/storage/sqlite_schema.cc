#include "storage/sqlite_schema.h"

#include <cstdint>

#include "base/error.h"

namespace deltaforge::storage {

namespace {

// Also written as a literal in the SQL below.
constexpr std::uint64_t kVersion = 2;

constexpr char kTables[] = R"sql(
BEGIN IMMEDIATE;

CREATE TABLE df_kv (
  ns TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (ns, key)) WITHOUT ROWID;
CREATE TABLE df_log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, ns TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX df_log_key ON df_log (ns, key, seq);
CREATE TABLE df_slot (
  ns TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (ns, key)) WITHOUT ROWID;
CREATE TABLE df_queue (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, ns TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL DEFAULT '',
  value TEXT NOT NULL);
CREATE INDEX df_queue_key ON df_queue (ns, key, seq);
CREATE UNIQUE INDEX df_queue_id ON df_queue (ns, key, id) WHERE id <> '';
-- Positions that an operator removed through the view.
CREATE TABLE resets (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE);

-- Of a checkpoint it shows the short form, and hides the record that the engine works with.
CREATE VIEW kv (namespace, key, value) AS
  SELECT iif(ns = 'checkpoints_short', 'checkpoints', ns), key, value FROM df_kv AS shown
   WHERE ns <> 'checkpoints'
      OR NOT EXISTS (SELECT 1 FROM df_kv WHERE ns = 'checkpoints_short' AND key = shown.key);

CREATE TRIGGER kv_insert INSTEAD OF INSERT ON kv BEGIN
  SELECT RAISE(ABORT, 'positions cannot be written by hand: delete the row to start its pipeline afresh')
   WHERE NEW.namespace IN ('checkpoints', 'checkpoints_short');
  INSERT INTO df_kv VALUES (NEW.namespace, NEW.key, NEW.value);
END;

CREATE TRIGGER kv_update INSTEAD OF UPDATE ON kv BEGIN
  SELECT RAISE(ABORT, 'positions cannot be written by hand: delete the row to start its pipeline afresh')
   WHERE 'checkpoints' IN (OLD.namespace, NEW.namespace) OR NEW.namespace = 'checkpoints_short';
  UPDATE df_kv SET ns = NEW.namespace, key = NEW.key, value = NEW.value
   WHERE ns = OLD.namespace AND key = OLD.key;
END;

CREATE TRIGGER kv_delete INSTEAD OF DELETE ON kv WHEN OLD.namespace <> 'checkpoints' BEGIN
  DELETE FROM df_kv WHERE ns = OLD.namespace AND key = OLD.key;
END;

-- `{source}` stands for all of its sinks; without one of them it has no common position any more.
CREATE TRIGGER kv_reset INSTEAD OF DELETE ON kv WHEN OLD.namespace = 'checkpoints' BEGIN
  INSERT OR IGNORE INTO resets (key) VALUES (OLD.key);
  INSERT OR IGNORE INTO resets (key)
    SELECT key FROM df_kv
     WHERE ns = 'checkpoints' AND substr(key, 1, length(OLD.key) + 8) = OLD.key || '::sink::' ORDER BY key;
  DELETE FROM df_kv
   WHERE ns IN ('checkpoints', 'checkpoints_short')
     AND (key = OLD.key OR substr(key, 1, length(OLD.key) + 8) = OLD.key || '::sink::');
  DELETE FROM df_kv
   WHERE ns = 'checkpoints_short' AND key = substr(OLD.key, 1, instr(OLD.key, '::sink::') - 1);
END;

PRAGMA user_version = 2;
COMMIT;
)sql";

// Of a database that was made before queues had ids. Nothing was in its queues.
constexpr char kFromVersion1[] = R"sql(
BEGIN IMMEDIATE;
ALTER TABLE df_queue ADD COLUMN id TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX df_queue_id ON df_queue (ns, key, id) WHERE id <> '';
PRAGMA user_version = 2;
COMMIT;
)sql";

std::uint64_t number(Connection& connection, const char* sql) {
  Query query = connection.query(sql);
  return query.step() ? query.number(0) : 0;
}

}  // namespace

bool has_schema(Connection& connection, const std::string& path) {
  const std::uint64_t version = number(connection, "PRAGMA user_version");
  if (version > kVersion)
    throw Error(ErrorKind::config, "the state database " + path + " was written by a newer version",
                "run that version, or give this one a --storage-path of its own");
  if (version > 0) return true;
  if (number(connection, "SELECT count(*) FROM sqlite_master") > 0)
    throw Error(ErrorKind::config, path + " is a database of another program",
                "give --storage-path a file that does not exist yet");
  return false;
}

void create_schema(Connection& connection, const std::string& path) {
  if (!has_schema(connection, path)) return connection.run(kTables);
  if (number(connection, "PRAGMA user_version") == 1) connection.run(kFromVersion1);
}

void check_schema(Connection& connection, const std::string& path) {
  // Positions are few: looking through their pages costs nothing.
  Query check = connection.query("PRAGMA quick_check('df_kv')");
  const std::string verdict = check.step() ? check.text(0) : "no answer";
  if (number(connection, "PRAGMA user_version") == kVersion && verdict == "ok") return;
  throw Error(ErrorKind::state_lost, "the state database " + path + " is damaged: " + verdict,
              "restore it from a backup; or, to begin afresh, stop and move it and its marker file away");
}

std::vector<std::string> read_resets(Connection& connection) {
  std::vector<std::string> result;
  Query query = connection.query(
      "SELECT key FROM resets WHERE NOT EXISTS (SELECT 1 FROM df_kv WHERE ns = 'checkpoints' AND "
      "(df_kv.key = resets.key OR substr(df_kv.key, 1, length(resets.key) + 8) = resets.key || '::sink::')) "
      "ORDER BY seq");
  while (query.step()) result.push_back(query.text(0));
  return result;
}

}  // namespace deltaforge::storage
