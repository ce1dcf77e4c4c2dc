// What a script makes of its events, and gives back -> events.
//
//   (flags u8: whether a failed call is repeated event by event; how many rows | what the script does)
//
// The script is one for all inputs, script_program.js: it takes the bytes apart and makes values and changes of events
// of them, odd ones by preference. Each input is two calls of half of the bytes, the second of which may come back with
// events that the first one kept. A processor is bound to a thread of its own, and lives as long as the process.
//
// Must hold: every event stays in its transaction and has an id that no other has; the first that comes of a row has
// the row's, with its operation, place and key; what is left can be encoded; of a call that failed nothing is seen.
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "core/event_id.h"
#include "fuzz.h"
#include "obs/log.h"
#include "processors/javascript/javascript.h"
#include "processors/testing/batch.h"

namespace deltaforge::fuzz {
namespace {

using processors::javascript::JavaScript;
using processors::testing::decimal;
using processors::testing::json;
using processors::testing::number;
using processors::testing::TestBatch;
using processors::testing::text;

JavaScript::Config config_of(OnError on_error) {
  JavaScript::Config config;
  config.id = "fuzz";
  std::ifstream file(DF_SCRIPT_PROGRAM);
  config.script = (std::ostringstream() << file.rdbuf()).str();
  require(!config.script.empty(), "the script is there:", DF_SCRIPT_PROGRAM);
  config.on_error = on_error;
  config.limits = {.cpu_ms = 10'000, .mem_mb = 256, .timeout_ms = 60'000};
  return config;
}

// By then the engine has begun: what it does at the end of the process comes after the processor's own end.
std::unique_ptr<JavaScript> begun(OnError on_error) {
  obs::set_log_level(obs::Level::error);  // what scripts print
  auto made = std::make_unique<JavaScript>(config_of(on_error), ProcessorContext{"p", ""});
  TestBatch batch;
  batch.insert({number(1), text("00")});
  batch.commit();
  made->process(batch.batch());
  return made;
}

struct Row {
  Event event;
  std::string id;
};

std::string id_of(const Batch& batch, const Event& event) {
  return to_string(event_id(batch.commits()[event.commit], event));
}

std::vector<Row> rows_of(const Batch& batch) {
  std::vector<Row> rows;
  for (std::uint32_t i = 0; i < batch.size(); ++i) rows.push_back({batch.event(i), id_of(batch, batch.event(i))});
  return rows;
}

std::vector<std::string> texts_of(TestBatch& batch) {
  std::vector<std::string> texts;
  for (std::uint32_t i = 0; i < batch.batch().size(); ++i)
    texts.push_back((batch.batch().event(i).dropped ? "dropped " : "") + batch.text(i));
  return texts;
}

void fill(TestBatch& batch, unsigned rows, const std::string& program) {
  const auto copied = [&](std::string_view t) { return batch.pages().copy(t); };
  batch.insert({number(0), text(copied(program)), decimal("1.50"), json(R"({"a":{"b":1.0},"big":9007199254740993})"),
                text("x")});
  if (rows > 1) batch.update({number(1), Value::absent()}, {number(1), text("größer"), Value::unchanged()});
  if (rows > 2) batch.remove({number(2), text("gone"), Value::absent()});
  if (rows > 3) batch.truncate();
  if (rows > 4) {
    Extra extra;
    extra.after = R"([1,{"a":null}])";
    extra.members = R"("trace":{"id":"ab"})";
    extra.topic = "t";
    batch.insert({number(4)}).extra = new (batch.pages().array<Extra>(1).data()) Extra(extra);
  }
  if (rows > 5) batch.insert({number(5)}).dropped = true;
  if (rows > 6) batch.insert({number(6), Value::float64(1), Value::of_text(Kind::bytes, "\1\2"), Value::uint64(~0ULL)});
  batch.commit();
}

bool same_key(const Image& was, const Image& is) {
  return !was.present || (is.present && was.values[0].as_int64() == is.values[0].as_int64());
}

// Of one event that is left, against the row that it came from.
void look_at(TestBatch& batch, std::uint32_t index, const std::map<std::uint32_t, Row>& rows,
             std::map<std::uint32_t, std::pair<bool, std::uint32_t>>& came) {
  const Event& event = batch.batch().event(index);
  require(batch.refusal(index).empty(), "it can be encoded:", batch.refusal(index));
  const std::string text = batch.text(index);
  require(nlohmann::json::accept(text), "it is JSON:", text);
  const auto row = rows.find(event.ordinal);
  require(row != rows.end() && !row->second.event.dropped, "it comes of a row that the script got:", text);
  const Event& was = row->second.event;
  auto& [once, copies] = came[event.ordinal];
  const bool synthetic = event.extra != nullptr && !event.extra->synthetic.empty();
  require(synthetic || (event.op == was.op && event.total_order == was.total_order), "its operation stays:", text);
  require(event.schema == was.schema, "its table stays:", text);
  require(same_key(was.before, event.before) && same_key(was.after, event.after), "its key stays:", text);
  if (synthetic) require(event.extra->synthetic == "fuzz", "who made it:", text);
  if (!synthetic && !std::exchange(once, true)) {
    require(event.fan_out == 0, "the first has the row's id:", text);
    return;
  }
  require(event.fan_out == copies + 1, "copies count up:", text);
  copies = event.fan_out;
}

void look_at(TestBatch& batch, const std::vector<Row>& before) {
  std::map<std::uint32_t, Row> rows;
  for (const Row& row : before) rows[row.event.ordinal] = row;
  const Batch& after = batch.batch();
  require(after.commits().size() == 1 && after.marks().size() == 1, "transactions are neither made nor lost");
  require(after.commits()[0].first == 0 && after.commits()[0].last == after.size(), "all events are the transaction's");
  std::set<std::string> ids;
  std::set<std::uint32_t> accounted;
  std::map<std::uint32_t, std::pair<bool, std::uint32_t>> came;
  for (std::uint32_t i = 0; i < after.size(); ++i) {
    const Event& event = after.event(i);
    require(event.commit == 0, "it is of the transaction");
    require(ids.insert(id_of(after, event)).second, "no two have one id:", batch.text(i));
    accounted.insert(event.ordinal);
    if (!event.dropped) look_at(batch, i, rows, came);
  }
  require(accounted.size() == before.size(), "each row is there, at least as dropped");
}

void run(JavaScript& processor, unsigned rows, std::string_view program, bool may_fail) {
  TestBatch batch;
  std::string hex;
  for (const char c : program) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  fill(batch, rows, hex);
  const std::vector<std::string> texts = texts_of(batch);
  const std::vector<Row> before = rows_of(batch.batch());
  if (allowed_to_refuse([&] { processor.process(batch.batch()); })) return look_at(batch, before);
  require(may_fail, "what fails is dropped, event by event");
  require(texts_of(batch) == texts, "of a call that failed nothing is seen");
}

}  // namespace
}  // namespace deltaforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  static const auto fails = fuzz::begun(OnError::fail), drops = fuzz::begun(OnError::drop);
  fuzz::Input input(data, std::min<std::size_t>(size, 4096));
  const unsigned flags = input.byte();
  const std::string program = input.text();
  const std::size_t half = (program.size() + 1) / 2;
  const bool may_fail = (flags & 1) == 0;
  for (const std::string& part : {'\1' + program.substr(0, half), '\0' + program.substr(half)})
    fuzz::run(may_fail ? *fails : *drops, 1 + (flags >> 1) % 7, part, may_fail);
  return 0;
}
