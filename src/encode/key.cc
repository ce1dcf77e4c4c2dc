#include "encode/key.h"

#include "encode/json_writer.h"
#include "encode/plain_value.h"

namespace deltaforge::encode {
namespace {

// Null when the event says nothing of the column.
const Value* key_value(const Event& event, std::uint32_t column) {
  const Image* first = event.op == Op::remove ? &event.before : &event.after;
  const Image* second = event.op == Op::remove ? &event.after : &event.before;
  for (const Image* image : {first, second}) {
    if (!image->present) continue;
    if (const Value& value = image->values[column]; is_known(value)) return &value;
    if (image->values[column].is_null()) return nullptr;
  }
  return nullptr;
}

bool write_object(const Event& event, JsonWriter& to) {
  to.raw('{');
  for (std::uint32_t column : event.schema->key) {
    if (!to.string(event.schema->columns[column].name)) return false;
    to.raw(':');
    if (!to.value(*key_value(event, column))) return false;
    to.raw(',');
  }
  to.close('}');
  return true;
}

}  // namespace

std::string_view append_key(const Event& event, Slab& out) {
  const auto& key = event.schema->key;
  bool complete = !key.empty();
  for (std::uint32_t column : key) complete = complete && key_value(event, column) != nullptr;
  if (!complete) {
    out.append(event.schema->full_name);
    return {};
  }
  JsonWriter to(out);
  bool written = key.size() == 1 ? write_plain(*key_value(event, key[0]), to) : write_object(event, to);
  if (!written) return "a column of the key is not valid UTF-8";
  to.commit();
  return {};
}

}  // namespace deltaforge::encode
