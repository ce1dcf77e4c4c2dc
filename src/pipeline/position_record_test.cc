// Position records that somebody else wrote, or damaged.
#include "pipeline/position_record.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "pipeline/testing/sim_world.h"

namespace deltaforge::pipeline {
namespace {

TEST(PositionRecord, WhatIsNotOursIsAnError) {
  testing::SimAlgebra algebra;
  const RecordCodec codec(algebra, "u", 1);
  for (const char* record : {"", "{", "[]", "7", R"({"v":"1"})", R"({"v":1})", R"({"v":2,"uid":"u","epoch":1})",
                             R"({"v":1,"uid":7,"epoch":1})", R"({"v":1,"uid":null,"epoch":1})", R"({"v":1,"uid":"u"})",
                             R"({"v":1,"uid":"u","epoch":"1"})", R"({"v":1,"uid":"u","epoch":-1})",
                             R"({"v":1,"uid":"u","epoch":[1]})", R"({"v":1,"uid":"u","epoch":1.5})"}) {
    try {
      codec.parse(record, "a file");
      ADD_FAILURE() << record;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::sink_state) << record;
    }
  }
}

}  // namespace
}  // namespace deltaforge::pipeline
