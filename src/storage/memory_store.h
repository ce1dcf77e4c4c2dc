// The Store without a disk, for tests and `--storage-backend memory`: gone with the process.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/store.h"

namespace deltaforge::storage {

class MemoryStore final : public Store {
 public:
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

  // Nobody can reach this state from outside.
  std::vector<std::string> resets() override { return {}; }
  void forget_resets() override {}

 private:
  using Key = std::pair<std::string, std::string>;
  static Key at(std::string_view ns, std::string_view key) { return {std::string(ns), std::string(key)}; }

  std::mutex mutex_;
  std::map<Key, std::string> kv_;
  std::map<Key, Versioned> slots_;
  std::map<Key, std::map<std::uint64_t, std::string>> logs_;
  std::map<Key, std::map<std::uint64_t, Pushed>> queues_;
  std::uint64_t last_log_seq_ = 0, last_queue_seq_ = 0;
};

}  // namespace deltaforge::storage
