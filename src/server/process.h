// What this process does with signals and core dumps.
#pragma once

#include <chrono>
#include <optional>

#include "base/fd.h"

namespace deltaforge::server {

// SIGTERM, SIGINT and SIGHUP become readable; SIGPIPE is ignored. Made before the first thread, which the threads made
// later inherit from.
class StopSignals {
 public:
  StopSignals();
  // Waits for a signal, for `other_fd` to become readable (-1: none), or for the time to pass (nothing: for ever).
  // True: a signal came; it is taken.
  bool wait(int other_fd = -1, std::optional<std::chrono::milliseconds> limit = {});

 private:
  Fd fd_;
};

// Memory holds passwords and rows: no core file, no core handler, no reader of another process of the same user.
void switch_off_core_dumps();

}  // namespace deltaforge::server
