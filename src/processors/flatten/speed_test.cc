#include <gtest/gtest.h>

#include <iostream>

#include "processors/flatten/flatten.h"
#include "processors/testing/speed.h"

namespace deltaforge::processors::flatten {
namespace {

using testing::json;
using testing::number;
using testing::text;

TEST(FlattenSpeed, ANestedDocument) {
  Flatten flatten({}, {"p", ""});
  const double rate = testing::events_per_second(flatten, [](testing::TestBatch& batch) {
    for (int i = 0; i < 2'000; ++i)
      batch.insert({number(i), text("paid"), text("12.50"),
                    json(R"({"customer":{"tier":"gold","city":"Bern"},"items":3})"), text("some more text of a row")});
  });
  std::cout << "flatten: " << rate << " events/s\n";
  EXPECT_GT(rate, 50'000);
}

}  // namespace
}  // namespace deltaforge::processors::flatten
