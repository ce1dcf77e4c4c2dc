#include "storage/state_copy.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/error.h"
#include "storage/sqlite_store.h"

namespace deltaforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 2> kNamespaces{"checkpoints", "origins"};

// Names, contents and times of all files.
std::map<std::string, std::string> everything(const fs::path& directory) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::directory_iterator(directory)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    all[entry.path().filename()] = text + "@" + std::to_string(entry.last_write_time().time_since_epoch().count());
  }
  all["."] = std::to_string(fs::last_write_time(directory).time_since_epoch().count());
  return all;
}

class StateCopyTest : public testing::Test {
 protected:
  StateCopyTest() {
    std::string name = testing::TempDir() + "state_copy_XXXXXX";
    directory = ::mkdtemp(name.data());
    options.path = (directory / "deltaforge.db").string();
  }
  ~StateCopyTest() override { fs::remove_all(directory); }

  static void fill(SqliteStore& store) {
    const Store::Entry entries[] = {{"checkpoints", "a::sink::b", "there"}, {"specs", "p", "sealed"}};
    store.put(entries);
  }
  std::optional<std::string> read() {
    const auto before = everything(directory);
    StateCopy copy = copy_state(look_at_state(options), kNamespaces);
    auto value = copy.store->get("checkpoints", "a::sink::b");
    EXPECT_EQ(copy.store->get("specs", "p"), std::nullopt);
    EXPECT_EQ(everything(directory), before);
    return value;
  }

  fs::path directory;
  StateOptions options;
};

TEST_F(StateCopyTest, NothingIsMadeWhereNothingIs) {
  EXPECT_FALSE(look_at_state(options).exists);
  EXPECT_EQ(read(), std::nullopt);
  options.path = (directory / "deeper/still/deltaforge.db").string();
  EXPECT_FALSE(look_at_state(options).exists);
  EXPECT_FALSE(fs::exists(directory / "deeper"));
  options.require_state = true;
  EXPECT_THROW(look_at_state(options), Error);
}

TEST_F(StateCopyTest, WhatAStoppedProcessLeft) {
  {
    SqliteStore store(options);
    fill(store);
  }
  FoundState found = look_at_state(options);
  EXPECT_TRUE(found.exists);
  EXPECT_EQ(found.holder, std::nullopt);
  EXPECT_EQ(read(), "there");
}

TEST_F(StateCopyTest, BesideAProcessThatUsesIt) {
  SqliteStore store(options);
  fill(store);
  EXPECT_EQ(look_at_state(options).holder, std::to_string(::getpid()));
  EXPECT_EQ(read(), "there");
}

TEST_F(StateCopyTest, WhatAKilledProcessLeftInTheLog) {
  const fs::path from = directory;
  SqliteStore store(options);
  fill(store);
  ASSERT_GT(fs::file_size(options.path + "-wal"), 0U);
  directory = from / "copy";
  fs::create_directory(directory);
  for (const char* ending : {"db", "db-wal", "db-shm", "marker", "lock"})
    fs::copy_file(from / (std::string("deltaforge.") + ending), directory / (std::string("deltaforge.") + ending));
  options.path = (directory / "deltaforge.db").string();
  EXPECT_EQ(read(), "there");
  fs::remove(options.path + "-shm");  // a restored backup
  EXPECT_THROW(read(), Error);
  directory = from;
}

TEST_F(StateCopyTest, WhatAStartWouldRefuse) {
  std::ofstream(options.path) << "no database";
  EXPECT_THROW(look_at_state(options), Error);
  fs::remove(options.path);
  std::ofstream(directory / "deltaforge.marker") << "marked";
  EXPECT_THROW(look_at_state(options), Error);
  fs::remove(directory / "deltaforge.marker");
  ::chmod(directory.c_str(), 0777);
  EXPECT_THROW(look_at_state(options), Error);
}

}  // namespace
}  // namespace deltaforge::storage
