// Looks a member up in JSON text that the database has verified: no tree, no heap.
#pragma once

#include <optional>
#include <string_view>

#include "base/slab.h"

namespace deltaforge::encode {

// The text of the object's member `name`; of equal names the last one. Nothing: no object, or it has no such member.
// Names are compared by what they say, however they are escaped.
std::optional<std::string_view> json_member(std::string_view json, std::string_view name);

// Appends what a JSON string (in its quotes) says. False: an escape that cannot be written as UTF-8; `out` is then as
// before.
bool append_unescaped(std::string_view string, Slab& out);

}  // namespace deltaforge::encode
