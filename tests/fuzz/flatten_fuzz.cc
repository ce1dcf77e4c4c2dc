// A document of a JSON column -> flat fields.
//
//   (flags u8: lists, collisions, empty objects and lists, depth | the document)
//
// Must hold: whatever is no JSON is let through as it is, and JSON becomes a JSON object without objects in it
// and with each name once.
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "encode/json_items.h"
#include "fuzz.h"
#include "processors/flatten/flatten.h"
#include "processors/testing/batch.h"

namespace {

// {"_base64":"..."} and {"_unchanged":true}, exactly: what hides behind a further member would get past a mask.
bool is_one_value(const nlohmann::json& value) {
  if (value.size() != 1) return false;
  const auto bytes = value.find("_base64"), unchanged = value.find("_unchanged");
  return (bytes != value.end() && bytes->is_string()) || (unchanged != value.end() && *unchanged == true);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  using namespace deltaforge::processors;
  using Json = nlohmann::json;
  if (size < 2) return 0;
  const unsigned flags = data[0];
  const std::string document(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Json parsed = Json::parse(document, nullptr, false);
  if (parsed.is_discarded()) return 0;  // the database has verified what is in such a column
  flatten::Config config;
  config.lists = (flags & 1) != 0 ? flatten::Lists::index : flatten::Lists::preserve;
  config.on_collision = (flags & 2) != 0 ? flatten::OnCollision::error : flatten::OnCollision::last;
  config.empty_object = (flags & 4) != 0 ? flatten::OnEmpty::drop : flatten::OnEmpty::preserve;
  config.empty_list = (flags & 8) != 0 ? flatten::OnEmpty::null : flatten::OnEmpty::preserve;
  const bool deep = (flags & 16) == 0;
  if (!deep) config.max_depth = 1;
  config.on_error = OnError::drop;
  flatten::Flatten processor(config, {"p", ""});
  testing::TestBatch batch;
  batch.insert({testing::number(1), Value::null(), Value::null(), testing::json(document), Value::null()});
  batch.commit();
  processor.process(batch.batch());
  const Event& event = batch.batch().event(0);
  if (event.dropped) {
    fuzz::require((flags & 2) != 0, "it fails at collisions only");
    return 0;
  }
  if (event.extra == nullptr) return 0;
  const Json flat = Json::parse(event.extra->after, nullptr, false);
  fuzz::require(flat.is_object(), "what becomes of it is an object:", std::string(event.extra->after));
  std::size_t names = 0;
  encode::JsonMembers members(event.extra->after);
  for (std::string_view name, value; members.next(name, value);) ++names;
  fuzz::require(names == flat.size(), "no name stands twice:", std::string(event.extra->after));
  for (const auto& [name, value] : flat.items())
    fuzz::require(!deep || !value.is_object() || value.empty() || is_one_value(value),
                  "no object is left:", std::string(event.extra->after));
  return 0;
}
