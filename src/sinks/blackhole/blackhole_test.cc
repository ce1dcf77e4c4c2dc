#include "sinks/blackhole/blackhole.h"

#include <gtest/gtest.h>

#include "sinks/testing/config_check.h"
#include "sinks/testing/contract.h"

namespace deltaforge::sinks::testing {
namespace {

using blackhole::Blackhole;

class BlackholeSubject final : public Subject {
 public:
  std::unique_ptr<Sink> make(SinkContext context) override {
    return std::make_unique<Blackhole>(Blackhole::Config{}, std::move(context));
  }
  std::vector<std::string> read() override { return {}; }
  bool readable() const override { return false; }
};

INSTANTIATE_TEST_SUITE_P(Blackhole, SinkContract, ::testing::Values(subject_of<BlackholeSubject>()));

TEST(BlackholeConfig, Fields) {
  EXPECT_EQ(problems<Blackhole>("{id: x, required: false, envelope: native, encoding: {type: json}}"), "");
  EXPECT_NE(problems<Blackhole>("{encoding: avro}").find("not in this build: encoding avro"), std::string::npos);
  EXPECT_NE(problems<Blackhole>("{pth: x}").find("pth: unknown field"), std::string::npos);
}

TEST(BlackholeSink, CountsWhatItEncodes) {
  BatchBuilder batches;
  Delivery delivery = batches.rows(0, 3);
  Lane lane;
  Blackhole sink({}, lane.context());
  sink.open();
  ASSERT_TRUE(lane.deliver(sink, delivery).delivered());
  EXPECT_GT(lane.bytes(), 3u * 400);
  EXPECT_LT(lane.bytes(), 3u * 600);
}

}  // namespace
}  // namespace deltaforge::sinks::testing
