#include <gtest/gtest.h>

#include <iostream>

#include "processors/filter/filter.h"
#include "processors/testing/speed.h"

namespace deltaforge::processors::filter {
namespace {

using testing::json;
using testing::number;
using testing::text;

TEST(FilterSpeed, OperationsTablesAndTwoFields) {
  Config config;
  config.ops = {Op::create, Op::update};
  config.fields = {Field{"status", filter::Test::in, {{Operand{"paid", {}, 0, {}}, Operand{"open", {}, 0, {}}}, true}},
                   Field{"id", filter::Test::gte, {{Operand{"0", 0.0L, 0, {}}}, false}}};
  Filter filter(config, {"p", ""});
  const double rate = testing::events_per_second(filter, [](testing::TestBatch& batch) {
    for (int i = 0; i < 2'000; ++i)
      batch.insert({number(i), text("paid"), text("12.50"), json("{}"), text("some more text of a row")});
  });
  std::cout << "filter: " << rate << " events/s\n";
  EXPECT_GT(rate, 100'000);
}

}  // namespace
}  // namespace deltaforge::processors::filter
