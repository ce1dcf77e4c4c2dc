// The text form of arrays: {1,NULL,"a \"b\""}, {{1,2},{3,4}}, [0:1]={a,b}. Lower bounds are dropped; NULL is null
// and "NULL" a text.
#pragma once

#include <span>

#include "sources/postgres/types.h"

namespace deltaforge::sources::postgres {

bool decode_array(const Type&, std::span<char>, Scratch&, Value&);

}  // namespace deltaforge::sources::postgres
