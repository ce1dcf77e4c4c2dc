#include "storage/sqlite_store.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "storage/testing/store_contract.h"
#include "storage/testing/temporary_dir.h"

namespace deltaforge::storage::testing {
namespace {

class SqliteSetup {
 public:
  SqliteSetup() { reopen(); }
  SqliteStore& store() { return *store_; }
  void reopen() {
    close();
    store_ = std::make_unique<SqliteStore>(StateOptions{.path = path()});
  }
  void close() { store_.reset(); }
  std::string path() const { return directory_.file("state/deltaforge.db"); }

 private:
  TemporaryDir directory_;
  std::unique_ptr<SqliteStore> store_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, StoreContract, SqliteSetup);

using Rows = std::vector<std::vector<std::string>>;

// What the sqlite3 shell does. An error is the only cell.
Rows shell(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  EXPECT_EQ(sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
  sqlite3_busy_timeout(database, 5'000);
  Rows rows;
  char* message = nullptr;
  auto add = [](void* to, int count, char** cells, char**) {
    auto& row = static_cast<Rows*>(to)->emplace_back();
    for (int i = 0; i < count; ++i) row.push_back(cells[i] == nullptr ? "NULL" : cells[i]);
    return 0;
  };
  if (sqlite3_exec(database, sql.c_str(), add, &rows, &message) != SQLITE_OK) rows = {{message}};
  sqlite3_free(message);
  sqlite3_close(database);
  return rows;
}

class KvView : public ::testing::Test {
 protected:
  KvView() {
    setup_.store().put(std::vector<Store::Entry>{
        {"checkpoints", "pg::sink::a", "{full a}"},
        {"checkpoints", "pg::sink::b", "{full b}"},
        {"checkpoints", "pg_2::sink::a", "{full other}"},
        {"checkpoints_short", "pg", "{meet}"},
        {"checkpoints_short", "pg::sink::a", "{short a}"},
        {"checkpoints_short", "pg::sink::b", "{short b}"},
        {"checkpoints_short", "pg_2", "{meet other}"},
        {"checkpoints_short", "pg_2::sink::a", "{short other}"},
        {"checkpoints", "snapshot_progress:pg", "{progress}"},
        {"fsm", "p", "x"},
    });
  }
  Rows sql(const std::string& text) {
    setup_.close();
    return shell(setup_.path(), text);
  }
  std::vector<std::string> resets() {
    setup_.reopen();
    return setup_.store().resets();
  }
  void forget_resets() { setup_.store().forget_resets(); }
  std::vector<std::string> checkpoints() { return setup_.store().keys("checkpoints", ""); }

  SqliteSetup setup_;
};

TEST_F(KvView, ShowsPositionsInTheShortForm) {
  EXPECT_THAT(
      sql("SELECT key, value FROM kv WHERE namespace = 'checkpoints' ORDER BY key"),
      ElementsAre(ElementsAre("pg", "{meet}"), ElementsAre("pg::sink::a", "{short a}"),
                  ElementsAre("pg::sink::b", "{short b}"), ElementsAre("pg_2", "{meet other}"),
                  ElementsAre("pg_2::sink::a", "{short other}"), ElementsAre("snapshot_progress:pg", "{progress}")));
  EXPECT_THAT(sql("SELECT DISTINCT namespace FROM kv ORDER BY 1"),
              ElementsAre(ElementsAre("checkpoints"), ElementsAre("fsm")));
}

TEST_F(KvView, DeletingTheSourceResetsAllItsSinks) {
  EXPECT_THAT(sql("DELETE FROM kv WHERE namespace = 'checkpoints' AND key = 'pg'"), IsEmpty());
  EXPECT_THAT(sql("SELECT key FROM kv WHERE namespace = 'checkpoints' ORDER BY key"),
              ElementsAre(ElementsAre("pg_2"), ElementsAre("pg_2::sink::a"), ElementsAre("snapshot_progress:pg")));
  EXPECT_THAT(resets(), ElementsAre("pg", "pg::sink::a", "pg::sink::b"));
  EXPECT_THAT(checkpoints(), ElementsAre("pg_2::sink::a", "snapshot_progress:pg"));
  EXPECT_EQ(resets().size(), 3u) << "told again until they are forgotten";
  forget_resets();
  EXPECT_THAT(resets(), IsEmpty());
}

TEST_F(KvView, DeletingOneSinkLeavesTheOthers) {
  sql("DELETE FROM kv WHERE namespace = 'checkpoints' AND key = 'pg::sink::b'");
  EXPECT_THAT(sql("SELECT key FROM kv WHERE key LIKE 'pg%' ORDER BY key"),
              ElementsAre(ElementsAre("pg::sink::a"), ElementsAre("pg_2"), ElementsAre("pg_2::sink::a")));
  EXPECT_THAT(resets(), ElementsAre("pg::sink::b"));
  EXPECT_EQ(setup_.store().get("checkpoints", "pg::sink::a"), "{full a}");
  EXPECT_EQ(setup_.store().get("checkpoints", "pg::sink::b"), std::nullopt);
}

TEST_F(KvView, DeletingEverythingRecordsEachPositionOnce) {
  sql("DELETE FROM kv");
  EXPECT_THAT(resets(), ::testing::UnorderedElementsAre("pg", "pg::sink::a", "pg::sink::b", "pg_2", "pg_2::sink::a",
                                                        "snapshot_progress:pg"));
  EXPECT_THAT(checkpoints(), IsEmpty());
  EXPECT_THAT(setup_.store().keys("checkpoints_short", ""), IsEmpty());
  EXPECT_EQ(setup_.store().get("fsm", "p"), std::nullopt);
}

TEST_F(KvView, APositionThatTheRunningEngineWroteAgainIsNoReset) {
  shell(setup_.path(), "DELETE FROM kv WHERE key IN ('pg', 'pg_2')");
  setup_.store().put(std::vector<Store::Entry>{{"checkpoints", "pg_2::sink::a", "{newer}"}});
  EXPECT_THAT(resets(), ElementsAre("pg", "pg::sink::a", "pg::sink::b"));
}

TEST_F(KvView, TheEngineItselfCausesNoResets) {
  EXPECT_TRUE(setup_.store().erase("checkpoints", "pg::sink::a"));
  EXPECT_THAT(resets(), IsEmpty());
}

TEST_F(KvView, PositionsCannotBeWrittenByHand) {
  const auto refused = ElementsAre(ElementsAre(::testing::HasSubstr("positions cannot be written by hand")));
  EXPECT_THAT(sql("UPDATE kv SET value = 'x' WHERE namespace = 'checkpoints'"), refused);
  EXPECT_THAT(sql("INSERT INTO kv VALUES ('checkpoints', 'pg', 'x')"), refused);
  EXPECT_THAT(sql("UPDATE kv SET namespace = 'checkpoints' WHERE namespace = 'fsm'"), refused);
  EXPECT_THAT(resets(), IsEmpty());
  EXPECT_EQ(setup_.store().get("checkpoints", "pg::sink::a"), "{full a}");
}

TEST_F(KvView, OtherNamespacesCanBeEdited) {
  sql("UPDATE kv SET value = 'y' WHERE namespace = 'fsm'; INSERT INTO kv VALUES ('fsm', 'p2', 'z')");
  EXPECT_THAT(resets(), IsEmpty());
  EXPECT_EQ(setup_.store().get("fsm", "p"), "y");
  EXPECT_EQ(setup_.store().get("fsm", "p2"), "z");
}

ErrorKind open_error(const std::string& path, std::string* what = nullptr) {
  try {
    SqliteStore store(StateOptions{.path = path});
  } catch (const Error& error) {
    if (what != nullptr) *what = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "opened";
  return ErrorKind::storage;
}

TEST(SqliteStore, ADatabaseOfAnotherProgramIsLeftAlone) {
  TemporaryDir directory;
  const std::string path = directory.file("deltaforge.db");
  std::ofstream(path).close();
  shell(path, "CREATE TABLE theirs (x)");
  std::string what;
  EXPECT_EQ(open_error(path, &what), ErrorKind::config);
  EXPECT_THAT(what, ::testing::HasSubstr("another program"));
}

TEST(SqliteStore, ANewerVersionIsRefused) {
  SqliteSetup setup;
  setup.close();
  shell(setup.path(), "PRAGMA user_version = 99");
  EXPECT_EQ(open_error(setup.path()), ErrorKind::config);
}

TEST(SqliteStore, ADatabaseOfTheFirstVersionIsTakenOver) {
  SqliteSetup setup;
  setup.store().put(std::vector<Store::Entry>{{"ns", "k", "v"}});
  setup.close();
  shell(setup.path(), "DROP INDEX df_queue_id; ALTER TABLE df_queue DROP COLUMN id; PRAGMA user_version = 1");
  setup.reopen();
  EXPECT_EQ(setup.store().get("ns", "k"), "v");
  setup.store().push("q", "k", std::vector<Store::Pushed>{{"id", "1"}});
  setup.store().push("q", "k", std::vector<Store::Pushed>{{"id", "2"}});
  EXPECT_EQ(setup.store().queued("q", "k"), 1U);
}

TEST(SqliteStore, DamagedPagesAreStateLost) {
  SqliteSetup setup;
  std::vector<Store::Entry> entries;
  for (int i = 0; i < 1000; ++i) entries.push_back({"ns", "key" + std::to_string(i), std::string(100, 'x')});
  setup.store().put(entries);
  setup.close();
  {
    std::fstream file(setup.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0, std::ios::end);
    const auto size = static_cast<std::size_t>(file.tellp());
    file.seekp(4096);
    const std::string junk(size - 4096, '\x5A');
    file.write(junk.data(), static_cast<std::streamsize>(junk.size()));
  }
  std::string what;
  EXPECT_EQ(open_error(setup.path(), &what), ErrorKind::state_lost);
  EXPECT_THAT(what, ::testing::HasSubstr(setup.path()));
}

TEST(SqliteStore, FilesAreForTheOwnerOnly) {
  SqliteSetup setup;
  setup.store().put(std::vector<Store::Entry>{{"ns", "k", "v"}});
  struct stat status {};
  for (const char* suffix : {"", "-wal", "-shm"}) {
    ASSERT_EQ(::stat((setup.path() + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << suffix;
  }
}

TEST(SqliteStore, WhatComesFirstOutlivesTheLossOfTheWal) {
  SqliteSetup setup;
  setup.store().put(std::vector<Store::Entry>{{"fsm", "first", "v"}});
  const std::string alone = setup.path() + ".copy";
  std::filesystem::copy_file(setup.path(), alone);
  EXPECT_EQ(shell(alone, "SELECT value FROM kv WHERE key = 'first'"), (Rows{{"v"}}));
}

TEST(SqliteStore, AnOversizedValueIsRefusedAlone) {
  SqliteSetup setup;
  const std::string large(SqliteStore::kMaxValue + 1, 'x');
  EXPECT_THROW(setup.store().push("q", "k", std::vector<Store::Pushed>{{"", "small"}, {"", large}}), Error);
  EXPECT_EQ(setup.store().queued("q", "k"), 0U);
  setup.store().push("q", "k", std::vector<Store::Pushed>{{"", "small"}});
  EXPECT_EQ(setup.store().queued("q", "k"), 1U);
}

TEST(SqliteStore, ADatabaseThatIsReplacedMeanwhileTakesNoWrites) {
  SqliteSetup setup;
  setup.store().put(std::vector<Store::Entry>{{"ns", "k", "v"}});
  std::filesystem::rename(setup.path(), setup.path() + ".away");
  EXPECT_THROW(setup.store().put(std::vector<Store::Entry>{{"ns", "k", "w"}}), Error);
  EXPECT_THROW(setup.store().put(std::vector<Store::Entry>{{"ns", "k", "w"}}), Error);
  std::filesystem::rename(setup.path() + ".away", setup.path());
  setup.store().put(std::vector<Store::Entry>{{"ns", "k", "w"}});
  EXPECT_EQ(setup.store().get("ns", "k"), "w");
}

}  // namespace
}  // namespace deltaforge::storage::testing
