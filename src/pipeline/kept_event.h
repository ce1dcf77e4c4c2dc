// An event as the journal keeps it: everything that it takes to deliver it again, with the same id and the same bytes.
// JSON; pure. Values are [code, value] with one letter for each Kind; text that is not UTF-8 is {"base64":".."}:
//   {"v":1,"schema":{..,"columns":[[name,type],..],"key":[0]},"commit":{"ts_us","id","tx"},
//    "event":{"op","ordinal","order","fan_out","tx_end","locus","before":null,"after":[["i",7],null]},"extra":{..}}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/batch.h"
#include "schema/registry.h"

namespace deltaforge::pipeline {

std::string print_kept(const Batch&, const Event&);

// Appends it to a batch that has no positions, as a transaction of its own; the schema comes from the registry. Throws
// Error{storage} when the text is none of ours.
void restore_kept(std::string_view text, schema::Registry&, Batch& to);

}  // namespace deltaforge::pipeline
