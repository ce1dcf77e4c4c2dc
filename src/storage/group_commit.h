// Turns the writes of many threads into few transactions: all that wait when the disk becomes free share the next
// fsync. Owns the writing thread and its connection. After a failure the connection is thrown away, and the next
// write begins with a new one.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "obs/metrics.h"
#include "storage/sqlite_connection.h"

namespace deltaforge::storage {

class GroupCommit {
 public:
  using Work = std::function<void(Connection&)>;
  using Open = std::function<std::unique_ptr<Connection>()>;

  // `reopen` runs on the writing thread.
  GroupCommit(std::string path, std::unique_ptr<Connection>, Open reopen);

  // Any thread. Runs `work` inside a transaction on the writing thread and returns once that is on disk. Throws what
  // the disk said; then whether it happened is open until it is read again.
  void write(const Work& work);

 private:
  struct Job {
    const Work& work;
    bool done = false;
    std::exception_ptr failure = nullptr;
  };

  void run(std::stop_token);
  std::exception_ptr commit(const std::vector<Job*>& group);
  void failed(const std::exception&);

  const std::string path_;
  std::unique_ptr<Connection> connection_;  // the writing thread's
  const Open reopen_;
  obs::Counter errors_;
  bool failing_ = false;
  // What a pipeline begins with (its identity, its first position) goes into the database file at once: without its
  // WAL file the state is then an old one, which is found out, and not none at all.
  int early_ = 6;

  std::mutex mutex_;
  std::condition_variable_any queued_;
  std::condition_variable done_;
  std::vector<Job*> queue_;
  std::jthread thread_;  // last: stops, with an empty queue, before the rest goes
};

}  // namespace deltaforge::storage
