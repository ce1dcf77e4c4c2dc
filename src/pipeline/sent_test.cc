#include "pipeline/sent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "pipeline/state_keys.h"
#include "pipeline/testing/sim_store.h"
#include "pipeline/testing/sim_world.h"

namespace deltaforge::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::sim_position;
using testing::SimAlgebra;
using testing::SimMark;
using testing::SimStore;
using testing::SimWorld;

Stretch stretch(unsigned first, unsigned last) {
  Stretch made{{}, {}, last - first + 1};
  made.first[0] = std::byte{static_cast<unsigned char>(first)};
  made.last[0] = std::byte{static_cast<unsigned char>(last)};
  return made;
}

// Sends fail now and then while the world has faults.
class SentTest : public ::testing::Test {
 protected:
  SentTest() { world_.faults = false; }
  void open() { sent_.emplace(store_, "pg::sink::h", algebra_); }
  void add(unsigned first, unsigned last) { sent_->add(stretch(first, last), Mark::of(SimMark{last})); }
  void write(std::uint64_t durable) { sent_->store(sim_position(durable)); }
  std::vector<Stretch> stored() { return read_stretches(store_, "pg::sink::h"); }

  SimWorld world_{1};
  SimStore store_{world_};
  SimAlgebra algebra_;
  std::optional<Sent> sent_;
};

TEST_F(SentTest, KeptUntilTheCheckpointBehindItIsStored) {
  open();
  EXPECT_THAT(stored(), IsEmpty());
  add(1, 5);
  add(6, 9);
  write(0);
  EXPECT_THAT(stored(), ElementsAre(stretch(1, 5), stretch(6, 9)));
  add(10, 12);
  write(4);
  EXPECT_THAT(stored(), ElementsAre(stretch(1, 5), stretch(6, 9), stretch(10, 12))) << "5 may be read again";
  add(13, 14);
  write(9);
  EXPECT_THAT(stored(), ElementsAre(stretch(10, 12), stretch(13, 14)));
}

TEST_F(SentTest, AnotherProcessKeepsThem) {
  open();
  add(1, 5);
  add(6, 9);
  write(0);
  open();
  EXPECT_THAT(stored(), ElementsAre(stretch(1, 5), stretch(6, 9)));
  add(6, 9);  // it begins behind the first
  add(10, 11);
  write(5);
  EXPECT_THAT(stored(), ElementsAre(stretch(1, 5), stretch(6, 9), stretch(10, 11))) << "nobody knows where 5 stands";
  add(12, 12);
  write(9);
  EXPECT_THAT(stored(), ElementsAre(stretch(10, 11), stretch(12, 12))) << "what was sent before it is delivered, too";
}

TEST_F(SentTest, WhatIsNoNewsIsNotWritten) {
  open();
  add(1, 5);
  write(0);
  store_.erase(kSent, "pg::sink::h");
  add(1, 5);
  write(0);
  EXPECT_THAT(stored(), IsEmpty());
}

TEST_F(SentTest, AWriteThatFailedIsDoneAgain) {
  open();
  add(1, 5);
  world_.faults = true;
  unsigned failures = 0;
  for (unsigned last = 6; failures == 0; ++last) {
    add(last, last);
    try {
      write(0);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::storage);
      ++failures;
    }
  }
  world_.faults = false;
  store_.erase(kSent, "pg::sink::h");
  write(0);
  EXPECT_THAT(stored(), ::testing::Contains(stretch(1, 5)));
}

TEST_F(SentTest, ADamagedRecordIsTold) {
  for (const std::string text :
       {"x", "{}", R"({"v":2,"sent":[]})", R"({"v":1,"sent":[["AA==","AA==",1]]})", R"({"v":1,"sent":[["a",1]]})"}) {
    const Store::Entry entry{kSent, "pg::sink::h", text};
    store_.put({&entry, 1});
    try {
      stored();
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::storage);
      EXPECT_THAT(error.what(), HasSubstr("sent/pg::sink::h"));
    }
  }
}

}  // namespace
}  // namespace deltaforge::pipeline
