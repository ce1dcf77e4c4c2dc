#include "sinks/file/segments.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/file_lock.h"

namespace deltaforge::sinks::file {
namespace {

constexpr std::size_t kDigits = 12;
constexpr std::string_view kSegment = ".jsonl", kPosition = ".pos";
constexpr std::string_view kStateRemedy =
    "put the missing files back, or give the sink an empty directory and reset its position";

[[noreturn]] void refuse(int error, std::string_view doing, const std::string& path) {
  ErrorKind kind = ErrorKind::unavailable;
  std::string_view hint = "check the disk of the sink's `path`; nothing is lost, the batch is written again";
  if (error == EACCES || error == EPERM || error == EROFS) {
    kind = ErrorKind::auth;
    hint = "give the user that runs deltaforge the right to write the sink's `path`";
  } else if (error == ENOTDIR || error == EEXIST || error == ELOOP || error == ENAMETOOLONG) {
    kind = ErrorKind::config;
    hint = "the sink's `path` must be a directory";
  } else if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    hint = "make room on the disk of the sink's `path`; nothing is lost, the batch is written again";
  }
  throw Error(kind, fmt::format("file sink: {} {}: {}", doing, path, std::strerror(error)), std::string(hint));
}

void sync(const Fd& fd, const std::string& path) {
  if (::fsync(fd.get()) != 0) refuse(errno, "syncing", path);
}

Fd open_directory(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) refuse(errno, "opening the directory", path);
  return fd;
}

void write_all(const Fd& fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) refuse(errno, "writing", path);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// The number of "000000000007.jsonl"; nothing when the name is not ours.
std::optional<std::uint64_t> number_of(std::string_view name, std::string_view ending) {
  if (name.size() != kDigits + ending.size() || !name.ends_with(ending)) return std::nullopt;
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, number);
  if (error != std::errc() || end != name.data() + kDigits) return std::nullopt;
  return number;
}

struct Found {
  std::set<std::uint64_t> segments, positions;
  std::vector<std::string> unfinished;
  std::uint64_t newest() const { return segments.empty() ? 0 : *segments.rbegin(); }
};

Found look(const std::string& directory) {
  Found found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (auto segment = number_of(name, kSegment)) found.segments.insert(*segment);
    if (auto position = number_of(name, kPosition)) found.positions.insert(*position);
    if (number_of(name, ".jsonl.open") || number_of(name, ".pos.open")) found.unfinished.push_back(name);
  }
  if (error) refuse(error.value(), "reading the directory", directory);
  return found;
}

// Older segments may have been taken away, from the first on. Anything else that a kill cannot have left is an error.
void check(const Found& found, const std::string& directory) {
  auto odd = [&directory](std::string what) {
    throw Error(ErrorKind::sink_state, fmt::format("file sink: {} in {}", what, directory), std::string(kStateRemedy));
  };
  const std::uint64_t newest = found.newest();
  if (found.segments.contains(0)) odd("000000000000.jsonl, which no file sink writes,");
  if (!found.segments.empty() && newest - *found.segments.begin() + 1 != found.segments.size())
    odd(fmt::format("a segment between {:012} and {:012} is missing", *found.segments.begin(), newest));
  if (!found.segments.empty() && !found.positions.contains(newest))
    odd(fmt::format("{:012}.pos is missing beside its segment", newest));
  for (std::uint64_t position : found.positions)
    if (position > newest + 1) odd(fmt::format("{0:012}.pos has no segment {0:012}.jsonl", position));
}

std::string path_in(const std::string& directory, std::uint64_t number, std::string_view ending) {
  return fmt::format("{}/{:012}{}", directory, number, ending);
}

// Nothing when nothing was ever delivered.
std::optional<std::string> read_position(const std::string& from, std::uint64_t newest) {
  const Fd fd(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT && newest == 0) return std::nullopt;
  if (!fd) refuse(errno, "opening", from);
  std::string record;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = ::read(fd.get(), buffer, sizeof buffer)) > 0) record.append(buffer, static_cast<std::size_t>(got));
  if (got < 0) refuse(errno, "reading", from);
  if (record.ends_with('\n')) record.pop_back();
  return record;
}

// Of a directory that does not exist.
void check_can_be_made(const std::string& directory) {
  std::filesystem::path above = std::filesystem::absolute(directory).lexically_normal();
  std::error_code error;
  while (!std::filesystem::exists(above, error) && above.has_relative_path()) above = above.parent_path();
  if (!std::filesystem::is_directory(above, error)) refuse(ENOTDIR, "creating the directory", directory);
  if (::access(above.c_str(), W_OK | X_OK) != 0) refuse(errno, "creating the directory", directory);
}

}  // namespace

FoundSegments look_at_segments(const std::string& directory) {
  FoundSegments result;
  if (::access(directory.c_str(), F_OK) != 0 && errno == ENOENT) {
    check_can_be_made(directory);
    return result;
  }
  result.exists = true;
  open_directory(directory);
  if (::access(directory.c_str(), W_OK | X_OK) != 0) refuse(errno, "writing into the directory", directory);
  result.holder = flock_holder(directory + "/.lock");
  const Found found = look(directory);
  check(found, directory);
  result.count = found.segments.size();
  result.position_path = path_in(directory, found.newest(), kPosition);
  result.position = read_position(result.position_path, found.newest());
  return result;
}

Segments::Segments(std::string directory) : directory_(std::move(directory)) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(directory_, error);
  if (error) refuse(error.value(), "creating the directory", directory_);
  directory_fd_ = open_directory(directory_);
  if (made) {
    const auto parent = std::filesystem::absolute(directory_).lexically_normal().parent_path().string();
    sync(open_directory(parent), parent);
  }
  const std::string lock = directory_ + "/.lock";
  lock_ = Fd(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock_) refuse(errno, "opening", lock);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) refuse(errno, "locking", lock);
    throw Error(ErrorKind::fenced, fmt::format("file sink: another sink writes into {}", directory_),
                "give each sink of each pipeline a `path` of its own, or stop the other process");
  }
  recover();
}

void Segments::recover() {
  const Found found = look(directory_);
  check(found, directory_);
  newest_ = found.newest();
  auto remove = [this](const std::string& name) {
    if (::unlinkat(directory_fd_.get(), name.c_str(), 0) != 0) refuse(errno, "deleting", directory_ + "/" + name);
  };
  for (const std::string& name : found.unfinished) remove(name);
  if (found.positions.contains(newest_ + 1)) remove(fmt::format("{:012}.pos", newest_ + 1));
}

std::string Segments::path(std::uint64_t number, std::string_view ending) const {
  return path_in(directory_, number, ending);
}

std::optional<std::string> Segments::position() const { return read_position(position_path(), newest_); }

void Segments::write(std::string_view lines) {
  const std::string to = path(newest_ + 1, ".jsonl.open");
  if (!open_) {
    open_ = Fd(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!open_) refuse(errno, "creating", to);
    size_ = 0;
  }
  write_all(open_, lines, to);
  size_ += lines.size();
}

void Segments::write_file(const std::string& to, std::string_view text) const {
  const Fd fd(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) refuse(errno, "creating", to);
  write_all(fd, std::string(text) + "\n", to);
  sync(fd, to);
}

void Segments::rename(const std::string& from, const std::string& to) const {
  if (::rename(from.c_str(), to.c_str()) != 0) refuse(errno, "renaming", from);
  sync(directory_fd_, directory_);
}

void Segments::commit(std::string_view position) {
  DF_CHECK(open_, "a segment is open");
  const std::string from = path(newest_ + 1, ".jsonl.open");
  sync(open_, from);
  open_ = Fd();
  write_file(path(newest_ + 1, kPosition), position);
  rename(from, path(newest_ + 1, kSegment));
  ++newest_;
}

void Segments::advance(std::string_view position) {
  DF_CHECK(!open_, "no segment is open");
  const std::string from = path(newest_, ".pos.open");
  write_file(from, position);
  rename(from, position_path());
}

}  // namespace deltaforge::sinks::file
