// What is on disk when a delivery is answered, whatever happens to the machine: fsync() and rename() of this program
// stand in for the C library's, and write down what they were called with.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "sinks/file/directory_for_test.h"
#include "sinks/file/file.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/lane.h"

namespace {

using Calls = std::vector<std::string>;

// Between start() and stop(). Names are relative to the sink's directory.
class Recorder {
 public:
  void start(const std::string& directory) {
    std::lock_guard lock(mutex_);
    directory_ = std::filesystem::weakly_canonical(directory);
    calls_.clear();
  }
  Calls stop() {
    std::lock_guard lock(mutex_);
    directory_.clear();
    return std::exchange(calls_, {});
  }
  void synced(int fd) {
    std::lock_guard lock(mutex_);
    if (directory_.empty()) return;
    calls_.push_back("sync " + name("/proc/self/fd/" + std::to_string(fd)));
  }
  void renamed(const char* from, const char* to) {
    std::lock_guard lock(mutex_);
    if (!directory_.empty()) calls_.push_back("rename " + name(from) + " " + name(to));
  }

 private:
  std::string name(const std::filesystem::path& path) const {
    return std::filesystem::weakly_canonical(path).lexically_relative(directory_).string();
  }

  std::mutex mutex_;
  std::filesystem::path directory_;
  Calls calls_;
};
Recorder recorder;

}  // namespace

extern "C" int fsync(int fd) {
  recorder.synced(fd);
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

extern "C" int rename(const char* from, const char* to) noexcept {
  recorder.renamed(from, to);
  return ::renameat(AT_FDCWD, from, AT_FDCWD, to);
}

namespace deltaforge::sinks::file {
namespace {

class FileSinkSync : public ::testing::Test {
 protected:
  FileSinkSync() { open(); }
  void open() {
    sink_.reset();
    sink_ = std::make_unique<FileSink>(FileSink::Config{.path = directory_.path()}, lane_.context());
    recorder.start(directory_.path());
    sink_->open();
    opening_ = recorder.stop();
  }
  Calls calls_of(const Delivery& delivery) {
    recorder.start(directory_.path());
    EXPECT_TRUE(lane_.deliver(*sink_, delivery).delivered());
    return recorder.stop();
  }

  DirectoryForTest directory_;
  testing::BatchBuilder batches_;
  testing::Lane lane_;
  std::unique_ptr<FileSink> sink_;
  Calls opening_;
};

// The last rename is the commit point: all that it stands for is on disk before, and it is itself before the answer.
TEST_F(FileSinkSync, ASegmentAndItsPositionAreOnDiskBeforeTheSegmentHasItsName) {
  const Calls expected{"sync 000000000001.jsonl.open", "sync 000000000001.pos",
                       "rename 000000000001.jsonl.open 000000000001.jsonl", "sync ."};
  EXPECT_EQ(calls_of(batches_.rows(1, 3)), expected);
}

TEST_F(FileSinkSync, AnAdvanceIsOnDiskBeforeItReplacesThePosition) {
  const Calls expected{"sync 000000000000.pos.open", "rename 000000000000.pos.open 000000000000.pos", "sync ."};
  EXPECT_EQ(calls_of(batches_.commit().build()), expected);
}

TEST_F(FileSinkSync, ANewDirectoryIsOnDiskInItsParent) {
  EXPECT_EQ(opening_, Calls{"sync .."});
  open();
  EXPECT_EQ(opening_, Calls{}) << "it was there already";
}

}  // namespace
}  // namespace deltaforge::sinks::file
