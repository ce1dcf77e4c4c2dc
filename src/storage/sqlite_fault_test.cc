// What the store does when the disk does not: fdatasync() of this program stands in for the C library's, and SQLite is
// given another pwrite().
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
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
std::atomic<int> sync_delay_ms{0};
std::atomic<int> write_error{0};

ssize_t faulty_pwrite(int fd, const void* data, std::size_t size, off_t offset) {
  if (write_error != 0) {
    errno = write_error;
    return -1;
  }
  return ::pwrite(fd, data, size, offset);
}

}  // namespace

extern "C" int fdatasync(int fd) {
  ++syncs;
  if (sync_delay_ms != 0) std::this_thread::sleep_for(std::chrono::milliseconds(sync_delay_ms));
  if (sync_error != 0) {
    errno = sync_error;
    return -1;
  }
  return ::fsync(fd);
}

namespace deltaforge::storage::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class SqliteFault : public ::testing::Test {
 protected:
  SqliteFault() {
    sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
    for (const char* name : {"pwrite", "pwrite64"})
      vfs->xSetSystemCall(vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(&faulty_pwrite));
    put("before");
    syncs = 0;
  }
  ~SqliteFault() override {
    sync_error = sync_delay_ms = write_error = 0;
    sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
    vfs->xSetSystemCall(vfs, nullptr, nullptr);
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

  TemporaryDir directory_;
  const std::string path_ = directory_.file("deltaforge.db");
  SqliteStore store_{StateOptions{.path = path_}};
};

TEST_F(SqliteFault, EachWriteThatReturnsHasBeenSynced) {
  put("1");
  EXPECT_GE(syncs, 1);
  syncs = 0;
  store_.append("ns", "k", "v");
  EXPECT_GE(syncs, 1);
  syncs = 0;
  store_.push("ns", "k", "v");
  EXPECT_GE(syncs, 1);
  syncs = 0;
  store_.swap("ns", "k", 0, "v");
  EXPECT_GE(syncs, 1);
}

TEST_F(SqliteFault, ManyCallersShareAnFsync) {
  sync_delay_ms = 20;
  std::vector<std::thread> threads;
  for (int t = 0; t < 32; ++t) threads.emplace_back([this, t] { store_.push("q", "k", std::to_string(t)); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store_.peek("q", "k", 100).size(), 32U);
  EXPECT_LT(syncs, 10);
}

TEST_F(SqliteFault, AFullDiskIsNamedAndMends) {
  const double errors = obs::Metrics::instance().counter("deltaforge_state_write_errors_total", {}).value();
  write_error = ENOSPC;
  EXPECT_THAT(put_error("lost"), AllOf(HasSubstr(path_), HasSubstr("No space left on device"), HasSubstr("free space")));
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

TEST_F(SqliteFault, ALockedDatabaseIsAnErrorAndPasses) {
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_THAT(put_error("waits"), HasSubstr("another program"));
  sqlite3_close(other);
  put("after");
  EXPECT_EQ(store_.get("ns", "k"), "after");
}

}  // namespace
}  // namespace deltaforge::storage::testing
