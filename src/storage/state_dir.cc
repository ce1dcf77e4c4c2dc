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

}  // namespace

StateDir::StateDir(const StateOptions& options) {
  const fs::path given(options.path);
  if (!given.has_filename())
    throw Error(ErrorKind::config, "'" + options.path + "' names no file",
                "give --storage-path a file, such as ./data/deltaforge.db");
  const fs::path parent = given.has_parent_path() ? given.parent_path() : fs::path(".");
  const bool there = exists(parent);
  if (!there && options.require_state)
    throw Error(ErrorKind::state_lost, "the state directory " + parent.string() + " is missing",
                "restore it, or start without --require-state to begin afresh");
  if (!there) make_directory(parent);

  const std::string directory = real_path(parent);
  directory_ = Fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_) fail("opening the state directory", directory, errno);
  refuse_shared(directory_.get(), directory);

  database_ = directory + "/" + given.filename().string();
  const std::string stem = directory + "/" + given.stem().string();
  marker_ = stem + ".marker";
  lock(stem + ".lock");
  examine(options.require_state);
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

void StateDir::examine(bool require_state) {
  const Found found = look_at(database_);
  const bool marked = exists(marker_);
  if (found == Found::directory)
    throw Error(ErrorKind::config, database_ + " is a directory",
                "name a file in it: --storage-path " + database_ + "/deltaforge.db");
  if (found == Found::something_else)
    throw Error(ErrorKind::state_lost, database_ + " is not a SQLite database",
                "restore it from a backup; or, to begin afresh, move it and " + marker_ + " away");
  if (found == Found::database) return;
  if (marked)
    throw Error(ErrorKind::state_lost, "the state database " + database_ + " is missing or empty, though it was in use",
                "restore it from a backup; or, to begin afresh, remove " + marker_);
  if (require_state)
    throw Error(ErrorKind::state_lost, "there is no state in " + database_,
                "restore it, or start without --require-state to begin afresh");
  obs::warn("starting fresh: no earlier state was found, every pipeline begins as if it had never run",
            {{"path", database_}});
  if (!open_file(database_, O_RDWR | O_CREAT)) fail("creating the state database", database_, errno);
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
