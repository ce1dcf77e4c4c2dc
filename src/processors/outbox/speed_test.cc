#include <gtest/gtest.h>

#include <iostream>

#include "core/outbox.h"
#include "processors/outbox/outbox.h"
#include "processors/testing/speed.h"

namespace deltaforge::processors::outbox {
namespace {

using testing::json;
using testing::number;
using testing::text;

TEST(OutboxSpeed, ARowWithTopicKeyAndHeaders) {
  Config config;
  config.columns = {"doc", "status", "id", "total", "tags", "id"};
  config.topic = config::Template("${after.status}");
  Outbox outbox(config, {"p", ""});
  const double rate = testing::events_per_second(outbox, [](testing::TestBatch& batch) {
    batch.schema().schema = kOutboxSchema;
    for (int i = 0; i < 2'000; ++i)
      batch.insert({number(i), text("Order"), text("OrderPlaced"),
                    json(R"({"order":7,"customer":{"tier":"gold","city":"Bern"},"items":3})"), text("orders")});
  });
  std::cout << "outbox: " << rate << " events/s\n";
  EXPECT_GT(rate, 50'000);
}

}  // namespace
}  // namespace deltaforge::processors::outbox
