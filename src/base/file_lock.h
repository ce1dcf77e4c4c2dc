// Who holds a lock file, asked without touching it: taking the lock for a moment could turn a process away that starts
// just then.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace deltaforge {

// The process that holds flock() on this file, as text; "(unknown)" where the kernel does not say which. Nothing: no
// such file, or nobody holds it.
std::optional<std::string> flock_holder(const std::string& path);

// A line of /proc/locks.
struct LockLine {
  std::string_view pid;     // "0": of another container
  std::string_view device;  // "fe:00"
  std::string_view inode;
};
// Nothing for other locks than an exclusive flock() that is held.
std::optional<LockLine> parse_flock(std::string_view line);

}  // namespace deltaforge
