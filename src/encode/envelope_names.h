// Names of members of an event that are the engine's or lead to it: no processor gives an event a further member of
// such a name, so that a record never has one twice, and none of them is forged.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace deltaforge::encode {

// In the order of Member of the JavaScript processor. The record has no `routing`, `checkpoint`, `table`, `timestamp`,
// `database` and `tx_id`: they are for scripts to read.
inline constexpr std::array<std::string_view, 18> kEnvelopeNames{
    "after", "before", "tags",        "routing",  "op",    "table",     "source",    "timestamp", "event_id",
    "id",    "ts_ms",  "transaction", "database", "tx_id", "synthetic", "tenant_id", "tx_end",    "checkpoint"};

inline bool is_envelope_name(std::string_view name) {
  return std::ranges::find(kEnvelopeNames, name) != kEnvelopeNames.end();
}

}  // namespace deltaforge::encode
