// The Store on one SQLite file (WAL, synchronous=FULL). Writes go through one thread that group-commits, reads through
// a connection of their own. After an I/O error both are opened anew, so the store mends itself when the disk does.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/store.h"
#include "storage/group_commit.h"
#include "storage/sqlite_connection.h"
#include "storage/state_dir.h"

namespace deltaforge::storage {

class SqliteStore final : public Store {
 public:
  // A larger value is refused before it can spoil the transaction of others.
  static constexpr std::size_t kMaxValue = 256 * 1024 * 1024;

  // Takes the state directory for itself. Throws what StateDir throws, and Error{config} for a foreign database.
  explicit SqliteStore(const StateOptions&);

  std::string directory() const { return std::filesystem::path(directory_.database()).parent_path(); }

  std::optional<std::string> get(std::string_view ns, std::string_view key) override;
  void put(std::span<const Entry>) override;
  bool erase(std::string_view ns, std::string_view key) override;
  std::vector<std::string> keys(std::string_view ns, std::string_view prefix) override;

  std::uint64_t append(std::string_view ns, std::string_view key, std::string_view value) override;
  std::vector<LogEntry> since(std::string_view ns, std::string_view key, std::uint64_t after_seq) override;

  std::optional<Versioned> slot(std::string_view ns, std::string_view key) override;
  bool swap(std::string_view ns, std::string_view key, std::uint64_t expected_version, std::string_view value) override;

  void push(std::string_view ns, std::string_view key, std::span<const Pushed>) override;
  std::vector<Item> peek(std::string_view ns, std::string_view key, std::size_t limit,
                         std::uint64_t after_seq) override;
  std::optional<Item> find(std::string_view ns, std::string_view key, std::string_view id) override;
  std::size_t queued(std::string_view ns, std::string_view key) override;
  bool drop(std::string_view ns, std::string_view key, std::uint64_t seq) override;
  std::size_t drop_upto(std::string_view ns, std::string_view key, std::uint64_t seq) override;

  std::vector<std::string> resets() override;
  void forget_resets() override;

 private:
  std::unique_ptr<Connection> open_first();
  std::unique_ptr<Connection> open_again();
  template <class F>
  auto read(F&& work);

  StateDir directory_;
  std::mutex read_mutex_;
  std::unique_ptr<Connection> reader_;  // guarded by read_mutex_; opened when needed
  GroupCommit writer_;                  // last: its thread uses the others
};

}  // namespace deltaforge::storage
