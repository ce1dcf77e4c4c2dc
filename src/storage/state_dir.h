// The directory that holds the state of one process. It decides, before anything is opened, whether the state is there,
// was never there, or was lost; and it keeps other processes out for as long as it lives.
//
// Beside `deltaforge.db` stand `deltaforge.lock` (flock; holds the pid) and `deltaforge.marker` (written after the
// database exists, before it holds anything: a marker without a database means that state was lost).
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"

namespace deltaforge::storage {

struct StateOptions {
  std::string path = "./data/deltaforge.db";
  bool require_state = false;  // absent state is an error
};

// What a StateDir would find.
struct FoundState {
  std::string database;               // absolute, where its directory exists
  bool exists = false;                // else a start makes it
  std::optional<std::string> holder;  // the process that has it
};
// Without making, changing or locking anything. Throws what StateDir throws, state_locked excepted.
FoundState look_at_state(const StateOptions&);

class StateDir {
 public:
  // Creates the directory (0700) and an empty database file (0600) where there are none.
  // Throws Error{config} for a directory that others may write to, Error{state_locked}, Error{state_lost}, or
  // Error{storage} when the file system refuses.
  explicit StateDir(const StateOptions&);

  // Absolute, without symbolic links.
  const std::string& database() const { return database_; }
  const std::string& marker() const { return marker_; }
  // The database exists and its schema is on disk: from now on its absence is a loss. Idempotent.
  void mark_started();

 private:
  void lock(const std::string& path);

  std::string database_, marker_;
  Fd directory_, lock_;
};

}  // namespace deltaforge::storage
