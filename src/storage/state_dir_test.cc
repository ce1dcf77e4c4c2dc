#include "storage/state_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "obs/log.h"
#include "storage/sqlite_store.h"
#include "storage/testing/temporary_dir.h"

namespace deltaforge::storage::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Refusal {
  ErrorKind kind{};
  std::string what;
};

template <class F>
std::optional<Refusal> refusal(F&& open) {
  try {
    open();
  } catch (const Error& error) {
    return Refusal{error.kind(), error.what()};
  }
  return std::nullopt;
}

std::optional<Refusal> store_refusal(StateOptions options) {
  return refusal([&] { SqliteStore store(options); });
}

unsigned mode(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777U;
}

class StateDirTest : public ::testing::Test {
 protected:
  TemporaryDir directory_;
  const std::string path_ = directory_.file("a/b/deltaforge.db");
  const StateOptions options_{.path = path_};
};

TEST_F(StateDirTest, MakesWhatIsMissingForTheOwnerOnly) {
  { SqliteStore store(options_); }
  EXPECT_EQ(mode(directory_.file("a")), 0700U);
  EXPECT_EQ(mode(directory_.file("a/b")), 0700U);
  for (const char* file : {"deltaforge.db", "deltaforge.lock", "deltaforge.marker"})
    EXPECT_EQ(mode(directory_.file("a/b/" + std::string(file))), 0600U);
  EXPECT_FALSE(store_refusal({.path = path_, .require_state = true}));
}

TEST_F(StateDirTest, ADirectoryThatOthersMayWriteToIsRefused) {
  fs::create_directories(fs::path(path_).parent_path());
  for (unsigned bits : {0770U, 0707U, 01777U}) {
    ::chmod(fs::path(path_).parent_path().c_str(), bits);
    const auto refused = store_refusal(options_);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->kind, ErrorKind::config);
    EXPECT_THAT(refused->what, HasSubstr("chmod go-w " + directory_.file("a/b")));
  }
  ::chmod(fs::path(path_).parent_path().c_str(), 0755);
  EXPECT_FALSE(store_refusal(options_));
}

TEST_F(StateDirTest, ASecondOwnerIsToldWhoTheFirstIs) {
  std::optional<StateDir> first(options_);
  const auto refused = store_refusal(options_);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, ErrorKind::state_locked);
  EXPECT_THAT(refused->what, AllOf(HasSubstr("process " + std::to_string(::getpid())), HasSubstr("--storage-path")));
  first.reset();
  EXPECT_FALSE(store_refusal(options_));
}

TEST_F(StateDirTest, MarkedStateWithoutItsDatabaseIsLost) {
  { SqliteStore store(options_); }
  for (int size : {-1, 0}) {
    fs::remove(path_);
    if (size == 0) std::ofstream(path_).close();
    const auto refused = store_refusal(options_);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->kind, ErrorKind::state_lost);
    EXPECT_THAT(refused->what, AllOf(HasSubstr(path_), HasSubstr("deltaforge.marker")));
  }
  fs::remove(directory_.file("a/b/deltaforge.marker"));
  EXPECT_FALSE(store_refusal(options_));
}

TEST_F(StateDirTest, SomethingElseThanADatabaseIsKept) {
  { SqliteStore store(options_); }
  std::ofstream(path_, std::ios::trunc) << "SQLite format 3 it is not";
  const auto refused = store_refusal(options_);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, ErrorKind::state_lost);
  EXPECT_GT(fs::file_size(path_), 0U);
}

TEST_F(StateDirTest, AStartThatDiedBeforeItsMarkerIsNoLoss) {
  // Died with an empty file, and with a database that has its tables.
  { StateDir died(options_); }
  EXPECT_FALSE(fs::exists(directory_.file("a/b/deltaforge.marker")));
  EXPECT_FALSE(store_refusal(options_));
  fs::remove(directory_.file("a/b/deltaforge.marker"));
  EXPECT_FALSE(store_refusal({.path = path_, .require_state = true}));
  EXPECT_TRUE(fs::exists(directory_.file("a/b/deltaforge.marker")));
}

TEST_F(StateDirTest, RequiredStateMustBeThere) {
  const auto missing = store_refusal({.path = path_, .require_state = true});
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->kind, ErrorKind::state_lost);
  EXPECT_FALSE(fs::exists(directory_.file("a")));
  fs::create_directories(fs::path(path_).parent_path());
  const auto empty = store_refusal({.path = path_, .require_state = true});
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->kind, ErrorKind::state_lost);
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(StateDirTest, FreshStateIsLoud) {
  ::testing::internal::CaptureStderr();
  { SqliteStore store(options_); }
  { SqliteStore store(options_); }
  obs::flush_log();
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::size_t first = log.find("starting fresh");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("starting fresh", first + 1), std::string::npos);
}

TEST_F(StateDirTest, LinksAreFollowedToDirectoriesOnly) {
  fs::create_directory(directory_.file("real"));
  fs::permissions(directory_.file("real"), fs::perms::owner_all);
  fs::create_directory_symlink(directory_.file("real"), directory_.file("link"));
  const std::string through_link = directory_.file("link/deltaforge.db");
  EXPECT_FALSE(store_refusal({.path = through_link}));
  EXPECT_TRUE(fs::exists(directory_.file("real/deltaforge.db")));

  fs::rename(directory_.file("real/deltaforge.db"), directory_.file("elsewhere.db"));
  fs::create_symlink(directory_.file("elsewhere.db"), directory_.file("real/deltaforge.db"));
  const auto refused = store_refusal({.path = through_link});
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, ErrorKind::config);
  EXPECT_THAT(refused->what, HasSubstr("symbolic link"));
}

TEST_F(StateDirTest, APathWithoutAFileIsRefused) {
  const auto refused = store_refusal({.path = directory_.file("x") + "/"});
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, ErrorKind::config);
}

}  // namespace
}  // namespace deltaforge::storage::testing
