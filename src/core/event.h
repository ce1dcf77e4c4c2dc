// An event: one change of one row (or one TRUNCATE of one table). Trivial; lives in the pages of its batch.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/extra.h"
#include "core/table_schema.h"
#include "core/value.h"

namespace deltaforge {

enum class Op : char { create = 'c', update = 'u', remove = 'd', read = 'r', truncate = 't' };

// A row image: one value per column of the schema, or no image at all (`present` false: JSON null).
struct Image {
  std::span<const Value> values;
  bool present = false;
};

struct Event {
  const TableSchema* schema = nullptr;
  Image before, after;
  // Further members of the envelope's `source` object, as JSON without braces: "lsn":"0/16B6C50","txId":731.
  // One text is shared by all events that stand at the same place of the log.
  std::string_view locus;
  const Extra* extra = nullptr;   // what processors added
  std::uint32_t commit = 0;       // index into the batch's commit table; set by the intake
  std::uint32_t total_order = 0;  // 1-based ordinal among the captured rows of the transaction; set by the intake
  std::uint32_t ordinal = 0;      // 1-based ordinal among the rows of this table in the transaction; set by the source
  std::uint32_t fan_out = 0;      // 0 unless a processor made copies
  Op op = Op::create;
  bool dropped = false;  // by a processor; such an event still counts for the position
  bool tx_end = false;   // the last surviving event of its transaction; set when the batch is frozen
};

}  // namespace deltaforge
