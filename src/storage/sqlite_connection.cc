#include "storage/sqlite_connection.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace deltaforge::storage {

namespace {

constexpr int kBusyTimeoutMs = 5'000;

std::string hint_for(int code, const std::string& path) {
  switch (code & 0xFF) {
    case SQLITE_FULL: return "free space on the file system of " + path;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "another program holds a lock on it: close its transaction";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: return "make the directory and the file writable for this user";
    case SQLITE_IOERR: return "check the disk, its free space and its file system";
    default: return {};
  }
}

// SQLite keeps no error of the operating system for a failed commit, so `errno` is taken as that call left it.
[[noreturn]] void fail(sqlite3* database, int code, const char* doing, const std::string& path) {
  const int os_error = errno;
  const int kind = code & 0xFF;
  const bool from_system = kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN || kind == SQLITE_FULL;
  std::string message = std::string(doing) + " the state database " + path + ": " + sqlite3_errstr(code);
  if (from_system && os_error != 0) message += ": " + std::generic_category().message(os_error);
  if (kind == SQLITE_ERROR && database != nullptr) message += std::string(": ") + sqlite3_errmsg(database);
  if (kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB)
    throw Error(ErrorKind::state_lost, std::move(message),
                "restore it from a backup; or, to begin afresh, stop and move it and its marker file away");
  throw Error(ErrorKind::storage, std::move(message), hint_for(code, path));
}

}  // namespace

Query::~Query() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Query& Query::bind(std::string_view text) {
  // An empty view may hold no pointer, which SQLite would take for NULL.
  const char* data = text.empty() ? "" : text.data();
  const int code = sqlite3_bind_text64(statement_, ++bound_, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (code != SQLITE_OK) fail(database_, code, "writing", path_);
  return *this;
}

Query& Query::bind(std::uint64_t number) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<sqlite3_int64>::max());
  const int code = sqlite3_bind_int64(statement_, ++bound_, static_cast<sqlite3_int64>(std::min(number, kMax)));
  if (code != SQLITE_OK) fail(database_, code, "writing", path_);
  return *this;
}

bool Query::step() {
  errno = 0;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  fail(database_, code, sqlite3_stmt_readonly(statement_) != 0 ? "reading" : "writing", path_);
}

std::string Query::text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

std::uint64_t Query::number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
}

void Connection::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }
void Connection::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Connection::Connection(std::string path) : Connection(path, path, SQLITE_OPEN_READWRITE) {
  run("PRAGMA journal_mode = WAL");
  run("PRAGMA synchronous = FULL");
}

Connection::Connection(std::string path, const std::string& name, int flags) : path_(std::move(path)) {
  sqlite3* raw = nullptr;
  errno = 0;
  flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(name.c_str(), &raw, flags, nullptr);
  database_.reset(raw);
  if (code != SQLITE_OK) fail(raw, code, "opening", path_);
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
}

// A WAL is read by way of its shared memory file, which SQLite makes where there is none; so that is used only when it
// is there, and as it is. Without one and without a WAL the database alone has everything.
Connection Connection::of_reader(std::string path) {
  std::error_code error;
  const bool shared_memory = std::filesystem::exists(path + "-shm", error);
  const auto log = std::filesystem::file_size(path + "-wal", error);
  if (!shared_memory && !error && log > 0)
    throw Error(ErrorKind::storage,
                "reading the state database " + path +
                    ": what stands in its -wal file cannot be "
                    "read without making a -shm file",
                "start deltaforge, which makes it");
  std::string name = "file:";
  for (char c : path) {
    if (c == '?' || c == '#' || c == '%')
      name += c == '?' ? "%3f" : c == '#' ? "%23" : "%25";
    else
      name += c;
  }
  name += shared_memory ? "?mode=ro&readonly_shm=1" : "?mode=ro&immutable=1";
  return {std::move(path), name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI};
}

Query Connection::query(const char* sql) {
  auto& statement = statements_[sql];
  if (!statement) {
    sqlite3_stmt* raw = nullptr;
    errno = 0;
    const int code = sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    statement.reset(raw);
    if (code != SQLITE_OK) fail(database_.get(), code, "reading", path_);
  }
  return Query(database_.get(), statement.get(), path_);
}

void Connection::run(const char* sql) {
  errno = 0;
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(database_.get(), code, "writing", path_);
}

std::uint64_t Connection::changes() const { return static_cast<std::uint64_t>(sqlite3_changes64(database_.get())); }

std::uint64_t Connection::last_id() const {
  return static_cast<std::uint64_t>(sqlite3_last_insert_rowid(database_.get()));
}

bool Connection::file_was_replaced() const {
  int moved = 0;
  sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved != 0;
}

}  // namespace deltaforge::storage
