// The contract of every processor, as tests. One test file of a processor includes this header and says
//
//   INSTANTIATE_TEST_SUITE_P(Filter, ProcessorContract, ::testing::Values(subject_of(filter::add, "type: filter")));
//
// with settings under which it has something to do to rows of public.orders (batch.h) and takes all of them.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/parse.h"
#include "core/component.h"
#include "core/event_id.h"
#include "processors/testing/batch.h"

namespace deltaforge::processors::testing {

// What a pipeline makes of a processor's fields in YAML, `type` among them. Problems go to the report.
inline ProcessorMaker checked(void (*add)(Catalogue&), const std::string& text, config::Report& report) {
  Catalogue catalogue;
  add(catalogue);
  const auto documents = config::parse(text, "test.yaml", report);
  if (documents.empty()) return {};
  return catalogue.processors.check(catalogue.processors.types().at(0), documents[0].root, report);
}
inline ProcessorMaker maker_of(void (*add)(Catalogue&), const std::string& text) {
  config::Report report;
  ProcessorMaker made = checked(add, text, report);
  if (!report.ok()) throw std::runtime_error(report.text());
  return made;
}
// One a line; empty when there are none.
inline std::string problems(void (*add)(Catalogue&), const std::string& text) {
  config::Report report;
  checked(add, text, report);
  return report.text();
}
struct Subject {
  void (*add)(Catalogue&);
  ProcessorMaker maker;
  std::function<void(TableSchema&)> table;  // makes the rows' table one that the processor knows; may be empty
};
inline Subject subject_of(void (*add)(Catalogue&), const std::string& text,
                          std::function<void(TableSchema&)> table = {}) {
  return {add, maker_of(add, text), std::move(table)};
}

class ProcessorContract : public ::testing::TestWithParam<Subject> {
 protected:
  static constexpr unsigned kTransactions = 4;

  std::unique_ptr<Processor> make() { return GetParam().maker.build({.pipeline = "p", .tenant = "acme"}); }
  void run(Processor& processor, TestBatch& batch) { processor.process(batch.batch()); }

  // These source transactions in one batch. It lives as long as the test, as what it points at does.
  TestBatch& batch_of(unsigned first, unsigned count) {
    TestBatch& batch = *batches_.emplace_back(std::make_unique<TestBatch>(first));
    if (GetParam().table) GetParam().table(batch.schema());
    for (unsigned i = first; i < first + count; ++i) {
      if (i == 0) every_shape(batch);
      if (i == 2) many(batch);
      if (i == 3) marked(batch);
      batch.commit();  // the second has no rows: it only moves the position
    }
    return batch;
  }
  TestBatch& all() { return batch_of(0, kTransactions); }

  // What a sink would be given of it.
  static std::vector<std::string> texts(TestBatch& batch) {
    std::vector<std::string> all;
    for (std::uint32_t i = 0; i < batch.batch().size(); ++i)
      if (!batch.batch().event(i).dropped) all.push_back(batch.text(i));
    return all;
  }
  static std::string id_of(const Batch& batch, const Event& event) {
    return to_string(event_id(batch.commits()[event.commit], event));
  }

 private:
  static void every_shape(TestBatch& batch) {
    static const Value tags[] = {text("vip"), text("new")};
    const Value absent = Value::absent();
    batch.insert({number(1), text("paid"), decimal("1.50"), json(R"({"a":{"b":1},"c":[1,2]})"), Value::array(tags)});
    batch.insert({number(2)});  // nulls
    batch.insert({number(3), text("größer \"\\\n"), decimal("NaN"), json("null"), Value::array({})});
    batch.update({number(1), text("paid"), decimal("1.50"), json("{}")},
                 {number(1), text("sent"), decimal("1.50"), json("{}")});
    batch.update({number(1), absent, absent, absent, absent},  // only the key is logged, and a large value is not
                 {number(1), text("sent"), decimal("2"), Value::unchanged(), Value::unchanged()});
    batch.remove({number(1), absent, absent, absent, absent});
    batch.truncate();
  }
  static void many(TestBatch& batch) {
    for (int id = 100; id < 2600; ++id)
      batch.insert({number(id), text(id % 2 == 0 ? "paid" : "open"), decimal("1.50"), json(R"({"a":{"b":1}})")});
  }
  // As a processor before it left them.
  static void marked(TestBatch& batch) {
    batch.insert({number(3000), text("paid")}).dropped = true;
    Extra extra;
    extra.topic = "routed";
    extra.key = "k";
    extra.members = R"("trace":{"id":"ab"})";
    batch.insert({number(3001), text("paid")}).extra = new (batch.pages().array<Extra>(1).data()) Extra(extra);
    batch.insert({number(3002), text("paid")});
  }

  std::vector<std::unique_ptr<TestBatch>> batches_;
};

TEST_P(ProcessorContract, TheSameInputGivesTheSameBytes) {
  const auto first = make(), second = make();
  TestBatch &one = all(), &other = all();
  run(*first, one);
  run(*second, other);
  EXPECT_EQ(texts(one), texts(other));
}

// Cut elsewhere, and restarted in between.
TEST_P(ProcessorContract, TheResultDoesNotDependOnWhereBatchesAreCut) {
  const auto processor = make();
  TestBatch& whole = all();
  run(*processor, whole);
  std::vector<std::string> parts;
  for (unsigned i = 0; i < kTransactions; ++i) {
    const auto restarted = make();
    TestBatch& part = batch_of(i, 1);
    run(*restarted, part);
    for (std::string& each : texts(part)) parts.push_back(std::move(each));
  }
  EXPECT_EQ(texts(whole), parts);
}

// A sink may still read a batch while the next ones are under way.
TEST_P(ProcessorContract, WhatABatchPointsAtOutlivesTheNextBatch) {
  const auto processor = make();
  TestBatch &first = all(), &second = batch_of(2, 2);
  run(*processor, first);
  const std::vector<std::string> before = texts(first);
  run(*processor, second);
  EXPECT_EQ(texts(first), before);
}

TEST_P(ProcessorContract, EveryEventStaysInItsTransaction) {
  const auto processor = make();
  TestBatch& batch = all();
  const std::vector<Commit> before = batch.batch().commits();
  run(*processor, batch);
  const std::vector<Commit>& after = batch.batch().commits();
  ASSERT_EQ(after.size(), before.size());
  ASSERT_EQ(batch.batch().marks().size(), before.size());
  std::uint32_t next = 0;
  for (std::uint32_t c = 0; c < after.size(); ++c) {
    EXPECT_EQ(after[c].first, next) << "transaction " << c;
    ASSERT_GE(after[c].last, after[c].first);
    EXPECT_EQ(after[c].mark.as<std::uint64_t>(), before[c].mark.as<std::uint64_t>());
    EXPECT_EQ(after[c].id_hash, before[c].id_hash);
    EXPECT_EQ(after[c].ts_us, before[c].ts_us);
    next = after[c].last;
    ASSERT_LE(next, batch.batch().size());
    for (std::uint32_t i = after[c].first; i < next; ++i) EXPECT_EQ(batch.batch().event(i).commit, c) << "event " << i;
  }
  EXPECT_EQ(next, batch.batch().size());
}

// The first that comes of a row has the row's id, copies count up, what is new says who made it.
TEST_P(ProcessorContract, IdsAreThoseOfTheRows) {
  TestBatch &input = all(), &batch = all();
  std::set<std::string> rows, seen;
  for (std::uint32_t i = 0; i < input.batch().size(); ++i) rows.insert(id_of(input.batch(), input.batch().event(i)));
  const auto processor = make();
  run(*processor, batch);
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::pair<bool, std::uint32_t>> came;  // by commit and row
  for (std::uint32_t i = 0; i < batch.batch().size(); ++i) {
    const Event& event = batch.batch().event(i);
    if (event.dropped) continue;
    EXPECT_TRUE(seen.insert(id_of(batch.batch(), event)).second) << "two events with one id: " << batch.text(i);
    Event row = event;
    row.fan_out = 0;
    EXPECT_TRUE(rows.contains(id_of(batch.batch(), row))) << "belongs to no row: " << batch.text(i);
    auto& [once, copies] = came[{event.commit, event.total_order}];
    const bool synthetic = event.extra != nullptr && !event.extra->synthetic.empty();
    if (synthetic) {
      EXPECT_EQ(event.extra->synthetic, GetParam().maker.id);
    }
    if (!synthetic && !std::exchange(once, true)) {
      EXPECT_EQ(event.fan_out, 0U) << batch.text(i);
      continue;
    }
    EXPECT_GT(event.fan_out, copies) << batch.text(i);
    copies = event.fan_out;
  }
}

TEST_P(ProcessorContract, WhatIsDroppedStaysDropped) {
  const auto processor = make();
  TestBatch& batch = batch_of(3, 1);
  run(*processor, batch);
  for (const std::string& each : texts(batch)) EXPECT_EQ(each.find("3000"), std::string::npos) << each;
}

TEST_P(ProcessorContract, WhatItLeavesCanBeEncoded) {
  const auto processor = make();
  TestBatch& batch = all();
  run(*processor, batch);
  for (std::uint32_t i = 0; i < batch.batch().size(); ++i) {
    if (!batch.batch().event(i).dropped) {
      EXPECT_EQ(batch.refusal(i), "") << "event " << i;
    }
  }
}

// Where a processor before it has changed an image (Extra::before, Extra::after), the values behind it are not what is
// seen. It acts on what is seen, or says that it cannot: then the batch is as it was.
TEST_P(ProcessorContract, ActsOnWhatTheProcessorBeforeItMade) {
  const auto processor = make();
  TestBatch& batch = batch_of(1, 1);
  Extra extra;
  extra.after = R"({"id":1,"status":"seen","flat__name":{"x":[]}})";
  batch.insert({number(2), text("paid")});
  batch.insert({number(1), text("unseen")}).extra = &extra;
  batch.commit();
  const std::vector<std::string> before = texts(batch);
  try {
    run(*processor, batch);
  } catch (const Error& error) {
    EXPECT_NE(error.hint(), "") << error.message();
    EXPECT_EQ(texts(batch), before);
    EXPECT_THROW(run(*processor, batch), Error) << "it was refused, and is not when it is asked again";
    return;
  }
  for (const std::string& each : texts(batch)) EXPECT_EQ(each.find("unseen"), std::string::npos) << each;
}

TEST_P(ProcessorContract, WhatIsShownOfItsSettingsIsTakenBack) {
  config::Echo shown, again;
  GetParam().maker.echo(shown);
  config::Report report;
  const ProcessorMaker read = checked(GetParam().add, shown.text(), report);
  ASSERT_TRUE(report.ok()) << report.text() << shown.text();
  read.echo(again);
  EXPECT_EQ(shown.text(), again.text());
  EXPECT_NE(shown.text().find("\"type\":\"" + read.type + "\""), std::string::npos) << "`type` is a field of its own";
  EXPECT_NE(read.id, "") << "`id` has a default";
}

}  // namespace deltaforge::processors::testing
