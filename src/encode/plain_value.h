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

}  // namespace deltaforge::encode
