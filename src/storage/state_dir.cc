#include "storage/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/file_lock.h"
#include "obs/log.h"

namespace deltaforge::storage {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& doing, const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  throw Error(ErrorKind::storage, doing + " " + path + ": " + std::generic_category().message(error),
              full ? "make room on its disk, or choose another place with --storage-path"
                   : "choose a place that this user can write to with --storage-path");
}

Fd open_file(const std::string& path, int flags) {
  Fd fd(::open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd && errno == ELOOP)
    throw Error(ErrorKind::config, "opening " + path + ": it is a symbolic link",
                "name the real file in --storage-path");
  return fd;
}

void sync(int fd, const std::string& path) {
  if (::fsync(fd) != 0) fail("syncing", path, errno);
}

void sync_directory(const fs::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) fail("opening", path, errno);
  sync(fd.get(), path);
}

bool exists(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return true;
  if (errno != ENOENT) fail("looking at", path, errno);
  return false;
}

// mkdir -p, each new one 0700 and its name durable in its parent.
void make_directory(const fs::path& path) {
  if (path.empty() || exists(path)) return;
  make_directory(path.parent_path());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) fail("creating the state directory", path, errno);
  sync_directory(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

std::string real_path(const fs::path& path) {
  std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  if (!real) fail("resolving the state directory", path, errno);
  return real.get();
}

// Whoever can write to the directory can replace the database and its lock.
void refuse_shared(int directory, const std::string& path) {
  struct stat status {};
  if (::fstat(directory, &status) != 0) fail("looking at", path, errno);
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    throw Error(ErrorKind::config, "the state directory " + path + " may be written to by other users",
                "run: chmod go-w " + path + ", or name a directory of its own with --storage-path");
}

enum class Found { nothing, database, directory, something_else };

// By its first bytes: SQLite itself takes an empty file for a new database.
Found look_at(const std::string& database) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  Fd fd = open_file(database, O_RDONLY);
  if (!fd && errno == ENOENT) return Found::nothing;
  if (!fd) fail("opening the state database", database, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail("looking at", database, errno);
  if (S_ISDIR(status.st_mode)) return Found::directory;
  if (!S_ISREG(status.st_mode)) return Found::something_else;
  if (status.st_size == 0) return Found::nothing;
  std::array<char, kMagic.size()> head{};
  const ssize_t size = ::pread(fd.get(), head.data(), head.size(), 0);
  if (size < 0) fail("reading the state database", database, errno);
  const bool magic = std::string_view(head.data(), static_cast<std::size_t>(size)) == kMagic;
  return magic ? Found::database : Found::something_else;
}

// False: there is none yet.
bool examine(const std::string& database, const std::string& marker, bool require_state) {
  const Found found = look_at(database);
  const bool marked = exists(marker);
  if (found == Found::directory)
    throw Error(ErrorKind::config, database + " is a directory",
                "name a file in it: --storage-path " + database + "/deltaforge.db");
  if (found == Found::something_else)
    throw Error(ErrorKind::state_lost, database + " is not a SQLite database",
                "restore it from a backup; or, to begin afresh, move it and " + marker + " away");
  if (found == Found::database) return true;
  if (marked)
    throw Error(ErrorKind::state_lost, "the state database " + database + " is missing or empty, though it was in use",
                "restore it from a backup; or, to begin afresh, remove " + marker);
  if (require_state)
    throw Error(ErrorKind::state_lost, "there is no state in " + database,
                "restore it, or start without --require-state to begin afresh");
  return false;
}

// The parts of --storage-path.
struct Names {
  explicit Names(const StateOptions& options) {
    const fs::path given(options.path);
    if (!given.has_filename())
      throw Error(ErrorKind::config, "'" + options.path + "' names no file",
                  "give --storage-path a file, such as ./data/deltaforge.db");
    parent = given.has_parent_path() ? given.parent_path() : fs::path(".");
    file = given.filename().string();
    stem = given.stem().string();
  }
  fs::path parent;
  std::string file, stem;
};

Error missing_directory(const fs::path& path) {
  return {ErrorKind::state_lost, "the state directory " + path.string() + " is missing",
          "restore it, or start without --require-state to begin afresh"};
}

// Of a directory that does not exist.
void check_can_be_made(fs::path path) {
  while (!path.empty() && !exists(path)) path = path.parent_path();
  if (path.empty()) path = ".";
  if (::access(path.c_str(), W_OK | X_OK) != 0) fail("creating the state directory in", path, errno);
}

}  // namespace

FoundState look_at_state(const StateOptions& options) {
  const Names names(options);
  FoundState found;
  if (!exists(names.parent)) {
    if (options.require_state) throw missing_directory(names.parent);
    check_can_be_made(names.parent);
    found.database = options.path;
    return found;
  }
  const std::string directory = real_path(names.parent);
  Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) fail("opening the state directory", directory, errno);
  refuse_shared(fd.get(), directory);
  if (::access(directory.c_str(), W_OK | X_OK) != 0) fail("writing into the state directory", directory, errno);
  found.database = directory + "/" + names.file;
  found.exists = examine(found.database, directory + "/" + names.stem + ".marker", options.require_state);
  if (found.exists && ::access(found.database.c_str(), R_OK | W_OK) != 0)
    fail("writing to the state database", found.database, errno);
  found.holder = flock_holder(directory + "/" + names.stem + ".lock");
  return found;
}

StateDir::StateDir(const StateOptions& options) {
  const Names names(options);
  const bool there = exists(names.parent);
  if (!there && options.require_state) throw missing_directory(names.parent);
  if (!there) make_directory(names.parent);

  const std::string directory = real_path(names.parent);
  directory_ = Fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_) fail("opening the state directory", directory, errno);
  refuse_shared(directory_.get(), directory);

  database_ = directory + "/" + names.file;
  marker_ = directory + "/" + names.stem + ".marker";
  lock(directory + "/" + names.stem + ".lock");
  if (examine(database_, marker_, options.require_state)) return;
  obs::warn("starting fresh: no earlier state was found, every pipeline begins as if it had never run",
            {{"path", database_}});
  if (!open_file(database_, O_RDWR | O_CREAT)) fail("creating the state database", database_, errno);
}

void StateDir::lock(const std::string& path) {
  lock_ = open_file(path, O_RDWR | O_CREAT);
  if (!lock_) fail("opening", path, errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) fail("locking", path, errno);
    std::array<char, 32> pid{};
    const ssize_t size = ::pread(lock_.get(), pid.data(), pid.size(), 0);
    std::string holder(pid.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    holder = holder.substr(0, holder.find('\n'));
    throw Error(ErrorKind::state_locked,
                "the state " + database_ + " is in use by process " + (holder.empty() ? "(unknown)" : holder),
                "stop that one, or give this one a --storage-path of its own");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock_.get(), 0) != 0 || ::pwrite(lock_.get(), pid.data(), pid.size(), 0) < 0)
    fail("writing", path, errno);
}

void StateDir::mark_started() {
  sync(directory_.get(), database_);
  if (exists(marker_)) return;
  Fd fd = open_file(marker_, O_WRONLY | O_CREAT);
  if (!fd) fail("creating", marker_, errno);
  constexpr std::string_view kText = "The database beside this file holds state. It must not go missing unnoticed.\n";
  if (::write(fd.get(), kText.data(), kText.size()) < 0) fail("writing", marker_, errno);
  sync(fd.get(), marker_);
  sync(directory_.get(), marker_);
}

}  // namespace deltaforge::storage
