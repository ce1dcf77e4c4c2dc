#include "storage/sqlite_store.h"

#include <utility>

#include "base/error.h"
#include "storage/sqlite_schema.h"

namespace deltaforge::storage {

namespace {

// What a failed fsync left in the WAL may sit in the page cache, seemingly clean, and never reach the disk: anything
// appended behind it would be lost with it. So the first thing that a new connection does is to move the whole WAL
// into the database, whose pages are thereby written and synced again.
void settle(Connection& connection, const std::string& path) {
  Query query = connection.query("PRAGMA wal_checkpoint(TRUNCATE)");
  const bool busy = query.step() && query.number(0) != 0;
  if (busy)
    throw Error(ErrorKind::storage, "opening the state database " + path + ": another program is reading it",
                "end that program's transaction");
}

std::unique_ptr<Connection> connect(const std::string& path) {
  auto connection = std::make_unique<Connection>(path);
  settle(*connection, path);
  check_schema(*connection, path);
  return connection;
}

void check_size(std::string_view ns, std::string_view key, std::string_view value) {
  if (ns.size() + key.size() + value.size() <= SqliteStore::kMaxValue) return;
  throw Error(ErrorKind::storage, "storing '" + std::string(key.substr(0, 200)) + "' in namespace '" +
                                      std::string(ns.substr(0, 200)) + "': larger than 256 MiB");
}

}  // namespace

SqliteStore::SqliteStore(const StateOptions& options)
    : directory_(options), writer_(directory_.database(), open_first(), [this] { return open_again(); }) {}

std::unique_ptr<Connection> SqliteStore::open_first() {
  const std::string& path = directory_.database();
  {
    Connection connection(path);
    create_schema(connection, path);
  }
  directory_.mark_started();
  auto connection = connect(path);
  // The name of the new WAL file: SQLite would not report that it could not sync it.
  directory_.mark_started();
  return connection;
}

// The reader is opened anew, too: it may hold a file that no longer stands at this path.
std::unique_ptr<Connection> SqliteStore::open_again() {
  std::lock_guard lock(read_mutex_);
  reader_.reset();
  auto connection = connect(directory_.database());
  directory_.mark_started();
  return connection;
}

template <class F>
auto SqliteStore::read(F&& work) {
  std::lock_guard lock(read_mutex_);
  try {
    if (!reader_) reader_ = connect(directory_.database());
    return work(*reader_);
  } catch (...) {
    reader_.reset();
    throw;
  }
}

std::optional<std::string> SqliteStore::get(std::string_view ns, std::string_view key) {
  return read([&](Connection& db) -> std::optional<std::string> {
    Query query = db.query("SELECT value FROM df_kv WHERE ns = ? AND key = ?");
    if (!query.bind(ns).bind(key).step()) return std::nullopt;
    return query.text(0);
  });
}

void SqliteStore::put(std::span<const Entry> entries) {
  for (const Entry& entry : entries) check_size(entry.ns, entry.key, entry.value);
  writer_.write([&](Connection& db) {
    for (const Entry& entry : entries)
      db.query("INSERT INTO df_kv VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")
          .bind(entry.ns)
          .bind(entry.key)
          .bind(entry.value)
          .step();
  });
}

bool SqliteStore::erase(std::string_view ns, std::string_view key) {
  bool existed = false;
  writer_.write([&](Connection& db) {
    db.query("DELETE FROM df_kv WHERE ns = ? AND key = ?").bind(ns).bind(key).step();
    existed = db.changes() > 0;
  });
  return existed;
}

std::vector<std::string> SqliteStore::keys(std::string_view ns, std::string_view prefix) {
  return read([&](Connection& db) {
    std::vector<std::string> result;
    Query query = db.query("SELECT key FROM df_kv WHERE ns = ? AND key >= ? ORDER BY key");
    query.bind(ns).bind(prefix);
    while (query.step()) {
      std::string key = query.text(0);
      if (!key.starts_with(prefix)) break;
      result.push_back(std::move(key));
    }
    return result;
  });
}

std::uint64_t SqliteStore::append(std::string_view ns, std::string_view key, std::string_view value) {
  check_size(ns, key, value);
  std::uint64_t seq = 0;
  writer_.write([&](Connection& db) {
    db.query("INSERT INTO df_log (ns, key, value) VALUES (?, ?, ?)").bind(ns).bind(key).bind(value).step();
    seq = db.last_id();
  });
  return seq;
}

std::vector<Store::LogEntry> SqliteStore::since(std::string_view ns, std::string_view key, std::uint64_t after_seq) {
  return read([&](Connection& db) {
    std::vector<LogEntry> result;
    Query query = db.query("SELECT seq, value FROM df_log WHERE ns = ? AND key = ? AND seq > ? ORDER BY seq");
    query.bind(ns).bind(key).bind(after_seq);
    while (query.step()) result.push_back({query.number(0), query.text(1)});
    return result;
  });
}

std::optional<Store::Versioned> SqliteStore::slot(std::string_view ns, std::string_view key) {
  return read([&](Connection& db) -> std::optional<Versioned> {
    Query query = db.query("SELECT version, value FROM df_slot WHERE ns = ? AND key = ?");
    if (!query.bind(ns).bind(key).step()) return std::nullopt;
    return Versioned{query.number(0), query.text(1)};
  });
}

bool SqliteStore::swap(std::string_view ns, std::string_view key, std::uint64_t expected_version,
                       std::string_view value) {
  check_size(ns, key, value);
  bool won = false;
  writer_.write([&](Connection& db) {
    if (expected_version == 0)
      db.query("INSERT INTO df_slot VALUES (?, ?, 1, ?) ON CONFLICT DO NOTHING").bind(ns).bind(key).bind(value).step();
    else
      db.query("UPDATE df_slot SET value = ?, version = version + 1 WHERE ns = ? AND key = ? AND version = ?")
          .bind(value)
          .bind(ns)
          .bind(key)
          .bind(expected_version)
          .step();
    won = db.changes() > 0;
  });
  return won;
}

void SqliteStore::push(std::string_view ns, std::string_view key, std::span<const Pushed> items) {
  for (const Pushed& item : items) check_size(ns, key, item.value);
  writer_.write([&](Connection& db) {
    for (const Pushed& item : items)
      db.query(
            "INSERT INTO df_queue (ns, key, id, value) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (ns, key, id) WHERE id <> '' DO UPDATE SET value = excluded.value")
          .bind(ns)
          .bind(key)
          .bind(item.id)
          .bind(item.value)
          .step();
  });
}

std::vector<Store::Item> SqliteStore::peek(std::string_view ns, std::string_view key, std::size_t limit,
                                           std::uint64_t after_seq) {
  return read([&](Connection& db) {
    std::vector<Item> result;
    Query query =
        db.query("SELECT seq, id, value FROM df_queue WHERE ns = ? AND key = ? AND seq > ? ORDER BY seq LIMIT ?");
    query.bind(ns).bind(key).bind(after_seq).bind(std::uint64_t{limit});
    while (query.step()) result.push_back({query.number(0), query.text(1), query.text(2)});
    return result;
  });
}

std::optional<Store::Item> SqliteStore::find(std::string_view ns, std::string_view key, std::string_view id) {
  return read([&](Connection& db) -> std::optional<Item> {
    Query query = db.query("SELECT seq, id, value FROM df_queue WHERE ns = ? AND key = ? AND id = ? AND id <> ''");
    if (!query.bind(ns).bind(key).bind(id).step()) return std::nullopt;
    return Item{query.number(0), query.text(1), query.text(2)};
  });
}

std::size_t SqliteStore::queued(std::string_view ns, std::string_view key) {
  return read([&](Connection& db) {
    Query query = db.query("SELECT count(*) FROM df_queue WHERE ns = ? AND key = ?");
    return query.bind(ns).bind(key).step() ? query.number(0) : 0;
  });
}

bool SqliteStore::drop(std::string_view ns, std::string_view key, std::uint64_t seq) {
  bool existed = false;
  writer_.write([&](Connection& db) {
    db.query("DELETE FROM df_queue WHERE ns = ? AND key = ? AND seq = ?").bind(ns).bind(key).bind(seq).step();
    existed = db.changes() > 0;
  });
  return existed;
}

std::size_t SqliteStore::drop_upto(std::string_view ns, std::string_view key, std::uint64_t seq) {
  std::size_t dropped = 0;
  writer_.write([&](Connection& db) {
    db.query("DELETE FROM df_queue WHERE ns = ? AND key = ? AND seq <= ?").bind(ns).bind(key).bind(seq).step();
    dropped = db.changes();
  });
  return dropped;
}

std::vector<std::string> SqliteStore::resets() {
  return read([](Connection& db) { return read_resets(db); });
}

void SqliteStore::forget_resets() {
  writer_.write([](Connection& db) { db.query("DELETE FROM resets").step(); });
}

}  // namespace deltaforge::storage
