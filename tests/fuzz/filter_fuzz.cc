// A test of a filter, and what a column holds.
//
//   (flags u8: text or JSON | the path, a line | what it is compared with, a line of YAML | the column's text)
//
// Must hold: a test is refused or compiled, and decides every value; its opposite decides the other way; of less, equal
// and greater at most one holds; two images that say the same have not changed.
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "config/parse.h"
#include "fuzz.h"
#include "processors/filter/filter.h"
#include "processors/testing/batch.h"

namespace {

using namespace deltaforge;
using namespace deltaforge::processors;
using Json = nlohmann::json;

struct Case {
  std::string path, value;
  Value column;
  bool refused = false;

  // Whether the row passes.
  bool passes(const char* op, bool with_value = true, bool update = false) {
    std::string text = fmt::format("type: filter\nfields:\n  - path: {}\n    op: {}\n",
                                   Json(path).dump(-1, ' ', true, Json::error_handler_t::replace), op);
    if (with_value) text += "    value: " + value + "\n";
    filter::Config config;
    config::Report report;
    const auto documents = config::parse(text, "p.yaml", report);
    if (!documents.empty()) filter::Config::spec().parse(documents[0].root, config, report);
    if (documents.empty() || !report.text().empty()) {
      refused = true;
      return false;
    }
    testing::TestBatch batch;
    const std::initializer_list<Value> row = {testing::number(1), Value::null(), Value::null(), column};
    update ? batch.update(row, row) : batch.insert(row);
    batch.commit();
    filter::Filter(config, {"p", ""}).process(batch.batch());
    return !batch.batch().event(0).dropped;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const bool as_json = (in.byte() & 1) != 0;
  Case with;
  with.path = in.line();
  with.value = in.line();
  const std::string text = in.text();
  // The database has verified what is in such columns.
  if (as_json ? !Json::accept(text) : !is_utf8(text)) return 0;
  with.column = Value::of_text(as_json ? Kind::json : Kind::text, text);

  const bool exists = with.passes("exists", false), not_exists = with.passes("not_exists", false);
  if (with.refused) return 0;
  fuzz::require(exists != not_exists, "a field is there, or it is not");
  fuzz::require(!with.passes("changed", false, true), "the same image twice is no change");
  for (const char* op : {"contains", "regex"}) {
    with.passes(op);
    with.refused = false;
  }
  const bool equal = with.passes("eq"), other = with.passes("ne");
  if (with.refused) return 0;
  fuzz::require(equal != other, "equal, or not");
  const bool less = with.passes("lt"), most = with.passes("lte"), more = with.passes("gt"), least = with.passes("gte");
  if (with.refused) return 0;
  fuzz::require(less + more + (most && least) <= 1, "less, equal or more");
  fuzz::require(most >= less && least >= more, "what is less is at most that");
  with.value = "[" + with.value + "]";
  const bool among = with.passes("in"), not_among = with.passes("not_in");
  if (!with.refused) fuzz::require(among != not_among, "among them, or not");
  return 0;
}
