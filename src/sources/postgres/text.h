// The text forms of scalar types, as a session with our settings prints them (connection.cc): ISO dates, zone UTC,
// shortest exact floats, hex bytea.
#pragma once

#include <span>

#include "sources/postgres/types.h"

namespace deltaforge::sources::postgres {

bool decode_text(const Type&, std::span<char>, Scratch&, Value&);
bool decode_bool(const Type&, std::span<char>, Scratch&, Value&);
bool decode_int(const Type&, std::span<char>, Scratch&, Value&);  // int2, int4, int8, oid
bool decode_float4(const Type&, std::span<char>, Scratch&, Value&);
bool decode_float8(const Type&, std::span<char>, Scratch&, Value&);
bool decode_numeric(const Type&, std::span<char>, Scratch&, Value&);
bool decode_json(const Type&, std::span<char>, Scratch&, Value&);
bool decode_bytea(const Type&, std::span<char>, Scratch&, Value&);
bool decode_char(const Type&, std::span<char>, Scratch&, Value&);  // the one-byte type "char"
bool decode_date(const Type&, std::span<char>, Scratch&, Value&);
bool decode_time(const Type&, std::span<char>, Scratch&, Value&);       // with and without offset
bool decode_datetime(const Type&, std::span<char>, Scratch&, Value&);   // timestamp
bool decode_timestamp(const Type&, std::span<char>, Scratch&, Value&);  // timestamptz

}  // namespace deltaforge::sources::postgres
