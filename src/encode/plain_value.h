// A value as it stands in a key or a name: text as it is, bytes as base64, the rest as in JSON.
#pragma once

#include "core/value.h"
#include "encode/json_writer.h"

namespace deltaforge::encode {

// There is a value, and the event tells it.
inline bool is_known(const Value& value) {
  return value.kind() != Kind::null && value.kind() != Kind::absent && value.kind() != Kind::unchanged;
}

// Of a known value. False: not UTF-8, what was written is of no use.
[[nodiscard]] bool write_plain(const Value&, JsonWriter& to);

// The same of any value that is read as text: what is text in JSON stands without its quotes. False: there is no value,
// or it cannot be written, and `out` is as before.
[[nodiscard]] bool append_plain(const Value&, Slab& out);

}  // namespace deltaforge::encode
