#include "obs/process_stats.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

namespace deltaforge::obs {

namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double value = 0;
    if (word == "btime" && file >> value) return value;
  }
  return 0;
}

// proc(5), /proc/self/stat: the fields after the command's name, which may hold blanks and brackets. [0] is field 3.
std::array<double, 22> stat_fields() {
  std::array<double, 22> fields{};
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return fields;
  std::istringstream rest(line.substr(name_end + 1));
  std::string state;
  rest >> state;
  for (std::size_t i = 1; i < fields.size(); ++i) rest >> fields[i];
  return fields;
}

}  // namespace

ProcessStats process_stats() {
  constexpr std::size_t kThreads = 20 - 3, kStartTicks = 22 - 3, kResidentPages = 24 - 3;
  const auto fields = stat_fields();
  ProcessStats stats;
  stats.threads = fields[kThreads];
  stats.resident_bytes = fields[kResidentPages] * static_cast<double>(::sysconf(_SC_PAGESIZE));
  stats.start_time = boot_time() + fields[kStartTicks] / static_cast<double>(::sysconf(_SC_CLK_TCK));
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) stats.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  std::error_code ignored;
  std::filesystem::directory_iterator fds("/proc/self/fd", ignored);
  if (!ignored) stats.open_fds = static_cast<double>(std::distance(begin(fds), end(fds)));
  return stats;
}

}  // namespace deltaforge::obs
