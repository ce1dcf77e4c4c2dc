// The text form of hstore: "a"=>"1", "b"=>NULL. As JSON it is an object of texts and nulls, in the same order.
#pragma once

#include <span>

#include "sources/postgres/types.h"

namespace deltaforge::sources::postgres {

bool decode_hstore(const Type&, std::span<char>, Scratch&, Value&);

}  // namespace deltaforge::sources::postgres
