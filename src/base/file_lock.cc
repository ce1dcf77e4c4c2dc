#include "base/file_lock.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace deltaforge {
namespace {

namespace fs = std::filesystem;

std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

// On some file systems the kernel's table names another device than stat() does.
bool has_open(std::string_view pid, const fs::path& file) {
  std::error_code error;
  const fs::path real = fs::canonical(file, error);
  for (fs::directory_iterator entry("/proc/" + std::string(pid) + "/fd", error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code unreadable;
    if (fs::read_symlink(entry->path(), unreadable) == real) return true;
  }
  return false;
}

}  // namespace

// "1: FLOCK  ADVISORY  WRITE 27963 fe:00:10579822 0 EOF"; one that waits has "->" behind its number.
std::optional<LockLine> parse_flock(std::string_view line) {
  next_word(line);
  if (next_word(line) != "FLOCK") return std::nullopt;
  next_word(line);
  if (next_word(line) != "WRITE") return std::nullopt;
  LockLine lock;
  lock.pid = next_word(line);
  const std::string_view place = next_word(line);
  const std::size_t colon = place.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  lock.device = place.substr(0, colon);
  lock.inode = place.substr(colon + 1);
  return lock;
}

std::optional<std::string> flock_holder(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  std::array<char, 32> device{};
  std::snprintf(device.data(), device.size(), "%02x:%02x", major(status.st_dev), minor(status.st_dev));
  const std::string inode = std::to_string(status.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    const auto lock = parse_flock(line);
    if (!lock || lock->inode != inode) continue;
    if (lock->device != device.data() && !has_open(lock->pid, path)) continue;
    return lock->pid == "0" ? "(unknown)" : std::string(lock->pid);
  }
  return std::nullopt;
}

}  // namespace deltaforge
