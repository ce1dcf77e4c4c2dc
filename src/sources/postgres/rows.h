// Row messages (insert, update, delete) -> images, by the decode plan of their relation.
#pragma once

#include <span>

#include "base/error.h"
#include "core/event.h"
#include "sources/postgres/relations.h"

namespace deltaforge::sources::postgres {

struct Row {
  Op op = Op::create;
  Image before, after;
};

// `message` is the whole message in the pages of the batch; it is rewritten in place and the images point into it.
// `utf8_unchecked`: the database's encoding promises nothing, so texts are checked here.
Result<Row> read_row(std::span<std::byte> message, const Relation&, bool utf8_unchecked, Scratch&);

}  // namespace deltaforge::sources::postgres
