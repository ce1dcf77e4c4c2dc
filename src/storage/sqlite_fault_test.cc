// What the store does when the disk does not: fdatasync() of this program stands in for the C library's, and SQLite is
// given another pwrite().
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "obs/metrics.h"
#include "storage/sqlite_store.h"
#include "storage/testing/temporary_dir.h"

namespace {

std::atomic<int> syncs{0};
std::atomic<int> sync_error{0};
std::atomic<bool> sync_held{false};
std::atomic<int> write_error{0};

std::atomic<int> failing_syncs{std::numeric_limits<int>::max()};  // how many, once sync_error is set

// What has really reached the disk, by path: the ranges that were written since the last fsync of that file, if that
// one worked.
class Disk {
 public:
  void written(int fd, off_t offset, std::size_t size) {
    std::lock_guard lock(mutex_);
    dirty_[path(fd)].push_back({offset, size});
  }
  void synced(int fd, bool ok) {
    std::lock_guard lock(mutex_);
    const std::string name = path(fd);
    auto ranges = std::exchange(dirty_[name], {});
    if (!ok) return;
    std::string& image = files_[name];
    for (const auto& [offset, size] : ranges) {
      const auto end = static_cast<std::size_t>(offset) + size;
      if (image.size() < end) image.resize(end);
      if (::pread(fd, image.data() + offset, size, offset) < 0) std::abort();
    }
    struct stat status {};
    if (::fstat(fd, &status) == 0 && static_cast<std::size_t>(status.st_size) < image.size())
      image.resize(static_cast<std::size_t>(status.st_size));
  }
  void removed(const std::string& name) {
    std::lock_guard lock(mutex_);
    files_.erase(name);
    dirty_.erase(name);
  }
  std::map<std::string, std::string> files() {
    std::lock_guard lock(mutex_);
    return files_;
  }

 private:
  static std::string path(int fd) {
    std::error_code ignored;
    return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), ignored).string();
  }
  std::mutex mutex_;
  std::map<std::string, std::string> files_;
  std::map<std::string, std::vector<std::pair<off_t, std::size_t>>> dirty_;
};
Disk disk;

ssize_t faulty_pwrite(int fd, const void* data, std::size_t size, off_t offset) {
  if (write_error != 0) {
    errno = write_error;
    return -1;
  }
  disk.written(fd, offset, size);
  return ::pwrite(fd, data, size, offset);
}

int recorded_unlink(const char* path) {
  disk.removed(path);
  return ::unlink(path);
}

}  // namespace

extern "C" int fdatasync(int fd) {
  ++syncs;
  while (sync_held) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (sync_error != 0 && --failing_syncs >= 0) {
    disk.synced(fd, false);
    errno = sync_error;
    return -1;
  }
  disk.synced(fd, true);
  return ::fsync(fd);
}

namespace deltaforge::storage::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The doors of SQLite to the system, and all of them closed again afterwards.
struct Hooks {
  Hooks() {
    sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
    for (const char* name : {"pwrite", "pwrite64"})
      vfs->xSetSystemCall(vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(&faulty_pwrite));
    vfs->xSetSystemCall(vfs, "unlink", reinterpret_cast<sqlite3_syscall_ptr>(&recorded_unlink));
  }
  ~Hooks() {
    sync_error = write_error = 0;
    sync_held = false;
    failing_syncs = std::numeric_limits<int>::max();
    sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
    vfs->xSetSystemCall(vfs, nullptr, nullptr);
  }
};

class SqliteFault : public ::testing::Test {
 protected:
  SqliteFault() {
    put("before");
    syncs = 0;
  }
  void put(const std::string& value) { store_.put(std::vector<Store::Entry>{{"ns", "k", value}, {"ns", "l", value}}); }
  std::string put_error(const std::string& value) {
    try {
      put(value);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::storage);
      return error.what();
    }
    return "stored";
  }
  void read_quietly() {
    try {
      store_.get("ns", "k");
    } catch (const Error&) {
      // The disk is bad just now: no answer is a good answer.
    }
  }
  void write_disk(const TemporaryDir& to) {
    for (const auto& [name, bytes] : disk.files())
      if (name.starts_with(path_)) std::ofstream(to.file("deltaforge.db" + name.substr(path_.size()))) << bytes;
  }

  TemporaryDir directory_;
  const std::string path_ = directory_.file("deltaforge.db");
  const Hooks hooks_;
  SqliteStore store_{StateOptions{.path = path_}};
};

TEST_F(SqliteFault, EachWriteThatReturnsHasBeenSynced) {
  put("1");
  EXPECT_GE(syncs, 1);
  syncs = 0;
  store_.append("ns", "k", "v");
  EXPECT_GE(syncs, 1);
  syncs = 0;
  store_.push("ns", "k", std::vector<Store::Pushed>{{"", "v"}});
  EXPECT_GE(syncs, 1);
  syncs = 0;
  store_.swap("ns", "k", 0, "v");
  EXPECT_GE(syncs, 1);
}

TEST_F(SqliteFault, ManyCallersShareAnFsync) {
  sync_held = true;
  std::atomic<int> calling{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 32; ++t)
    threads.emplace_back([&, t] {
      ++calling;
      store_.push("q", "k", std::vector<Store::Pushed>{{"", std::to_string(t)}});
    });
  while (calling < 32) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  sync_held = false;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store_.peek("q", "k", 100, 0).size(), 32U);
  EXPECT_LT(syncs, 10);
}

TEST_F(SqliteFault, AFullDiskIsNamedAndMends) {
  const double errors = obs::Metrics::instance().counter("deltaforge_state_write_errors_total", {}).value();
  write_error = ENOSPC;
  EXPECT_THAT(put_error("lost"),
              AllOf(HasSubstr(path_), HasSubstr("No space left on device"), HasSubstr("free space")));
  EXPECT_THAT(put_error("lost"), HasSubstr("No space left on device"));
  EXPECT_EQ(obs::Metrics::instance().counter("deltaforge_state_write_errors_total", {}).value() - errors, 2);
  write_error = 0;
  EXPECT_EQ(store_.get("ns", "k"), "before");
  put("after");
  EXPECT_EQ(store_.get("ns", "k"), "after");
  EXPECT_EQ(store_.get("ns", "l"), "after");
}

TEST_F(SqliteFault, AFailedFsyncIsAFailureAndThereAfterAllIsRewritten) {
  sync_error = EIO;
  EXPECT_THAT(put_error("perhaps"), AllOf(HasSubstr(path_), HasSubstr("Input/output error")));
  // While the disk is bad nothing is taken, not even by a new handle.
  EXPECT_THAT(put_error("perhaps"), HasSubstr("Input/output error"));
  sync_error = 0;
  put("after");
  EXPECT_EQ(store_.get("ns", "k"), "after");
  EXPECT_EQ(store_.get("ns", "l"), "after");
}

TEST_F(SqliteFault, AReadAfterAFailureSeesOnlyWhatIsOnDisk) {
  sync_error = EIO;
  EXPECT_NE(put_error("perhaps"), "stored");
  try {
    EXPECT_EQ(store_.get("ns", "k"), "before");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::storage);
  }
  sync_error = 0;
  EXPECT_EQ(store_.get("ns", "k"), store_.get("ns", "l"));
}

TEST_F(SqliteFault, ALockIsWaitedFor) {
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  std::jthread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    sqlite3_close(other);
  });
  put("after");
  EXPECT_EQ(store_.get("ns", "k"), "after");
}

// A kernel drops what it could not write and reports success the next time. Whatever a put that returned has stored
// must be on the disk nevertheless.
TEST_F(SqliteFault, NothingThatReturnedIsLostByAPowerCutAfterFailedSyncs) {
  std::mt19937 random(7);
  int last = 0, failures = 0;
  for (int round = 0; round < 60; ++round) {
    failing_syncs = std::uniform_int_distribution(0, 8)(random);
    sync_error = EIO;
    while (put_error(std::to_string(++last)) != "stored") {
      ++failures;
      if (failures % 3 == 0) read_quietly();
    }
    TemporaryDir after_cut;
    write_disk(after_cut);
    SqliteStore survivor(StateOptions{.path = after_cut.file("deltaforge.db")});
    ASSERT_EQ(survivor.get("ns", "k"), std::to_string(last)) << "round " << round;
  }
  EXPECT_GT(failures, 60);
}

}  // namespace
}  // namespace deltaforge::storage::testing
