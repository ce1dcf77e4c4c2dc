// What the operating system says about this process.
#pragma once

namespace deltaforge::obs {

struct ProcessStats {
  double resident_bytes = 0;
  double cpu_seconds = 0;
  double start_time = 0;  // seconds since the Unix epoch
  double open_fds = 0;
  double threads = 0;
};

// A number that cannot be read stays 0.
ProcessStats process_stats();

}  // namespace deltaforge::obs
