// The message key of an event, by which a partitioned sink keeps the order of a row (contract, "Kafka key"):
//   key of one column        its text: 7
//   key of several columns   a JSON object in key order: {"a":1,"b":"x"}
//   no key, or no value      the table's full name: public.orders
// Taken from `after`, of deletes from `before`; what `after` does not repeat is looked up in `before`.
#pragma once

#include <string_view>

#include "base/slab.h"
#include "core/event.h"

namespace deltaforge::encode {

// Appends the key. Returns why there is none (`out` is then as before), or "".
std::string_view append_key(const Event&, Slab& out);

}  // namespace deltaforge::encode
