#include "sinks/file/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "sinks/file/directory_for_test.h"
#include "sinks/testing/config_check.h"
#include "sinks/testing/contract.h"

namespace deltaforge::sinks::testing {
namespace {

using file::DirectoryForTest;
using file::FileSink;
using Names = std::vector<std::string>;

template <std::uint64_t roll_bytes>
class FileSubject final : public Subject {
 public:
  std::unique_ptr<Sink> make(SinkContext context) override {
    FileSink::Config config{.path = directory_.path()};
    config.roll_bytes.count = roll_bytes;
    return std::make_unique<FileSink>(std::move(config), std::move(context));
  }
  std::vector<std::string> read() override { return directory_.lines(); }

 private:
  DirectoryForTest directory_;
};

INSTANTIATE_TEST_SUITE_P(File, SinkContract, ::testing::Values(subject_of<FileSubject<0>>()));
INSTANTIATE_TEST_SUITE_P(RollingFile, SinkContract, ::testing::Values(subject_of<FileSubject<50'000>>()));

class FileSinkTest : public ::testing::Test {
 protected:
  FileSink& open(FileSink::Config config = {}) {
    sink_.reset();
    config.path = directory_.path();
    sink_ = std::make_unique<FileSink>(config, lane_.context());
    held_ = sink_->open();
    return *sink_;
  }
  std::uint64_t held() const { return held_ ? number(*held_) : 0; }

  // What open() refuses, as "kind: message (hint)".
  std::string refusal() {
    try {
      open();
    } catch (const Error& e) {
      return std::string(to_string(e.kind())) + ": " + e.what();
    }
    return "opened";
  }

  DirectoryForTest directory_;
  BatchBuilder batches_;
  Lane lane_;
  std::unique_ptr<FileSink> sink_;
  std::optional<Position> held_;
};

TEST_F(FileSinkTest, OneBatchIsOneSegmentWithItsPosition) {
  open();
  batches_.insert(1);
  batches_.insert(2);
  batches_.commit();
  batches_.insert(3);
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.build()).delivered());
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(4, 2)).delivered());
  EXPECT_EQ(directory_.names(),
            (Names{"000000000001.jsonl", "000000000001.pos", "000000000002.jsonl", "000000000002.pos"}));
  EXPECT_EQ(directory_.content(directory_.file("000000000001.pos")), "{\"v\":1,\"n\":2}\n");
  EXPECT_EQ(directory_.content(directory_.file("000000000002.pos")), "{\"v\":1,\"n\":4}\n");
  EXPECT_EQ(row_ids(directory_.lines()), sequence(1, 5));
}

TEST_F(FileSinkTest, IdleAdvancesReplaceTheNewestPosition) {
  open();
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.commit().build()).delivered());
  EXPECT_EQ(directory_.names(), (Names{"000000000000.pos"}));
  open();
  EXPECT_EQ(held(), 1u);
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(1, 1)).delivered());
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.commit().build()).delivered());
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.commit().build()).delivered());
  EXPECT_EQ(directory_.names(), (Names{"000000000000.pos", "000000000001.jsonl", "000000000001.pos"}));
  open();
  EXPECT_EQ(held(), 4u);
}

TEST_F(FileSinkTest, WaitingBatchesJoinASegment) {
  FileSink::Config config;
  config.roll_bytes.count = 25'000;  // about five batches of ten rows
  open(config);
  std::vector<Delivery> deliveries;
  for (std::int64_t i = 0; i < 8; ++i) deliveries.push_back(batches_.rows(i * 10, 10));
  for (const Delivery& delivery : deliveries) lane_.send(*sink_, delivery);
  while (lane_.answers().empty()) sink_->poll();
  EXPECT_GT(lane_.answers().size(), 2u);
  EXPECT_EQ(directory_.names().size(), 2u);
  EXPECT_EQ(directory_.position(), lane_.answers().size() * 10);
  ASSERT_TRUE(lane_.drain(*sink_));
  EXPECT_EQ(row_ids(directory_.lines()), sequence(0, 80));
  EXPECT_EQ(directory_.names().size(), 4u);
  open(config);
  EXPECT_EQ(held(), 80u);
}

TEST_F(FileSinkTest, ALoneBatchDoesNotWaitToBeJoined) {
  FileSink::Config config;
  config.roll_bytes.count = 1 << 30;
  config.roll_ms.count = 3'600'000;
  open(config);
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(1, 1)).delivered());
  EXPECT_EQ(directory_.lines().size(), 1u);
}

TEST_F(FileSinkTest, WhatAKillLeftBehindIsRemoved) {
  open();
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(1, 3)).delivered());
  directory_.put("000000000002.jsonl.open", "{\"torn\":");
  directory_.put("000000000002.pos", "{\"v\":1,\"n\":9");
  directory_.put("000000000001.pos.open", "{");
  directory_.put("notes.txt", "the user's own");
  open();
  EXPECT_EQ(held(), 3u);
  EXPECT_EQ(directory_.names(), (Names{"000000000001.jsonl", "000000000001.pos", "notes.txt"}));
}

TEST_F(FileSinkTest, SegmentsMayBeTakenAwayFromTheFirstOn) {
  open();
  for (std::int64_t i = 0; i < 4; ++i) ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(i, 1)).delivered());
  directory_.remove("000000000001.jsonl");
  directory_.remove("000000000002.jsonl");
  directory_.remove("000000000002.pos");
  open();
  EXPECT_EQ(held(), 4u);
}

TEST_F(FileSinkTest, WhatNoKillCanLeaveIsRefused) {
  open();
  for (std::int64_t i = 0; i < 4; ++i) ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(i, 1)).delivered());
  const std::string where = " in " + directory_.path();
  const std::string remedy =
      " (put the missing files back, or give the sink an empty directory and reset its position)";

  const std::string third = directory_.content(directory_.file("000000000003.jsonl"));
  directory_.remove("000000000003.jsonl");
  EXPECT_EQ(refusal(),
            "sink_state: file sink: a segment between 000000000001 and 000000000004 is missing" + where + remedy);
  directory_.put("000000000003.jsonl", third);

  const std::string position = directory_.content(directory_.file("000000000004.pos"));
  directory_.remove("000000000004.pos");
  EXPECT_EQ(refusal(), "sink_state: file sink: 000000000004.pos is missing beside its segment" + where + remedy);
  directory_.put("000000000004.pos", "{\"v\":2}");
  EXPECT_EQ(refusal(), "sink_state: not a position record: " + directory_.file("000000000004.pos"));
  directory_.put("000000000004.pos", position);

  directory_.put("000000000006.pos", position);
  EXPECT_EQ(refusal(), "sink_state: file sink: 000000000006.pos has no segment 000000000006.jsonl" + where + remedy);
  directory_.remove("000000000006.pos");

  directory_.put("000000000000.jsonl", "{}\n");
  EXPECT_NE(refusal().find("sink_state: file sink: 000000000000.jsonl"), std::string::npos);
  directory_.remove("000000000000.jsonl");
  EXPECT_EQ(refusal(), "opened");
  EXPECT_EQ(held(), 4u);
}

TEST_F(FileSinkTest, ASecondWriterIsFenced) {
  open();
  FileSink second({.path = directory_.path()}, lane_.context());
  try {
    second.open();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::fenced);
    EXPECT_NE(e.message().find(directory_.path()), std::string::npos);
  }
  sink_.reset();
  second.open();
}

TEST_F(FileSinkTest, APathThatIsNoDirectoryIsRefused) {
  FileSink sink({.path = "/dev/null/out"}, lane_.context());
  try {
    sink.open();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::config);
    EXPECT_NE(e.message().find("/dev/null/out"), std::string::npos);
  }
}

// A file size limit stands for a full disk.
TEST_F(FileSinkTest, AFullDiskIsTriedAgainWithoutLoss) {
  open();
  ASSERT_TRUE(lane_.deliver(*sink_, batches_.rows(0, 1)).delivered());
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit small{4096, before.rlim_max};
  Delivery delivery = batches_.rows(1, 100);
  ::setrlimit(RLIMIT_FSIZE, &small);
  Answer answer = lane_.deliver(*sink_, delivery);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_TRUE(answer.outcome.fault);
  EXPECT_FALSE(answer.outcome.fault->fatal);
  EXPECT_NE(answer.outcome.fault->message.find("000000000002.jsonl.open: File too large"), std::string::npos)
      << answer.outcome.fault->message;
  EXPECT_NE(answer.outcome.fault->hint.find("make room"), std::string::npos);
  EXPECT_EQ(directory_.lines().size(), 1u);
  open();
  EXPECT_EQ(held(), 1u);
  ASSERT_TRUE(lane_.deliver(*sink_, delivery).delivered());
  EXPECT_EQ(row_ids(directory_.lines()), sequence(0, 101));
}

TEST_F(FileSinkTest, AHugeBatchIsWrittenSlabBySlab) {
  open();
  for (std::int64_t id = 0; id < 30; ++id) batches_.insert(id, std::string(1'000'000, 'x'));
  Delivery delivery = batches_.build();
  lane_.send(*sink_, delivery);
  int polls = 1;
  while (sink_->poll()) ++polls;
  EXPECT_GE(polls, 6);
  EXPECT_EQ(directory_.names().size(), 2u);

  // Stopped between two slabs there is nothing of it.
  lane_.send(*sink_, delivery);
  sink_->poll();
  sink_->poll();
  open();
  EXPECT_EQ(directory_.lines().size(), 30u);
}

TEST(FileConfig, Fields) {
  FileSink::Config config;
  EXPECT_EQ(problems<FileSink>("{id: f, path: /data/out, roll_bytes: 1000, roll_ms: 5, exactly_once: true}", &config),
            "");
  EXPECT_EQ(config.path, "/data/out");
  EXPECT_EQ(config.roll_bytes.count, 1000u);
  EXPECT_NE(problems<FileSink>("{id: f}").find("path"), std::string::npos);
  EXPECT_NE(problems<FileSink>("{path: ''}").find("path"), std::string::npos);
  EXPECT_NE(problems<FileSink>("{path: /x, roll_ms: -1}").find("roll_ms"), std::string::npos);
  EXPECT_NE(problems<FileSink>("{path: /x, rol_bytes: 1}").find("did you mean 'roll_bytes'"), std::string::npos);
}

}  // namespace
}  // namespace deltaforge::sinks::testing
