// Durable state of the process, in namespaces. Safe for concurrent use from any thread. Every call throws
// Error{storage} when the state cannot be read or written; whatever returned has reached the disk.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace deltaforge {

class Store {
 public:
  struct Entry {
    std::string ns, key, value;
  };
  struct LogEntry {
    std::uint64_t seq;  // strictly increasing over all keys of all namespaces
    std::string value;
  };
  struct Versioned {
    std::uint64_t version;  // from 1
    std::string value;
  };
  struct Item {
    std::uint64_t seq;  // strictly increasing over all queues
    std::string id, value;
  };
  struct Pushed {
    std::string id, value;
  };

  virtual ~Store() = default;

  // kv
  virtual std::optional<std::string> get(std::string_view ns, std::string_view key) = 0;
  // All or nothing. Concurrent callers share one fsync.
  virtual void put(std::span<const Entry>) = 0;
  virtual bool erase(std::string_view ns, std::string_view key) = 0;
  virtual std::vector<std::string> keys(std::string_view ns, std::string_view prefix) = 0;

  // log: append-only
  virtual std::uint64_t append(std::string_view ns, std::string_view key, std::string_view value) = 0;
  virtual std::vector<LogEntry> since(std::string_view ns, std::string_view key, std::uint64_t after_seq) = 0;

  // slot: compare and swap. Expected version 0 means "must not exist yet". False: somebody else was first.
  virtual std::optional<Versioned> slot(std::string_view ns, std::string_view key) = 0;
  virtual bool swap(std::string_view ns, std::string_view key, std::uint64_t expected_version,
                    std::string_view value) = 0;

  // queue: an id is unique in its queue. An item whose id is there already takes the new value and keeps its place; an
  // empty id is like no other. All or nothing.
  virtual void push(std::string_view ns, std::string_view key, std::span<const Pushed>) = 0;
  // Oldest first, those behind `after_seq`.
  virtual std::vector<Item> peek(std::string_view ns, std::string_view key, std::size_t limit,
                                 std::uint64_t after_seq) = 0;
  virtual std::optional<Item> find(std::string_view ns, std::string_view key, std::string_view id) = 0;
  virtual std::size_t queued(std::string_view ns, std::string_view key) = 0;
  virtual bool drop(std::string_view ns, std::string_view key, std::uint64_t seq) = 0;
  // Inclusive. Returns how many were removed.
  virtual std::size_t drop_upto(std::string_view ns, std::string_view key, std::uint64_t seq) = 0;

  // Positions that an operator removed from outside while the process was down (the `kv` view), oldest first: each
  // starts its pipeline afresh, loudly. They are told again until forget_resets(), so that a crash loses none.
  virtual std::vector<std::string> resets() = 0;
  virtual void forget_resets() = 0;
};

}  // namespace deltaforge
