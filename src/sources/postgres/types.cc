#include "sources/postgres/types.h"

#include <algorithm>
#include <array>

#include "sources/postgres/array_text.h"
#include "sources/postgres/hstore_text.h"
#include "sources/postgres/text.h"

namespace deltaforge::sources::postgres {
namespace {

const Type kText{decode_text};

struct BuiltIn {
  std::uint32_t oid;
  std::uint32_t array_oid;
  Type type;
};

// pg_type.dat. Types that are absent here print as text, and so do the elements of their arrays.
constexpr std::array kBuiltIns{
    BuiltIn{16, 1000, {decode_bool}},                 // bool
    BuiltIn{17, 1001, {decode_bytea}},                // bytea
    BuiltIn{18, 1002, {decode_char}},                 // "char"
    BuiltIn{19, 1003, {decode_text}},                 // name
    BuiltIn{20, 1016, {decode_int}},                  // int8
    BuiltIn{21, 1005, {decode_int}},                  // int2
    BuiltIn{23, 1007, {decode_int}},                  // int4
    BuiltIn{25, 1009, {decode_text}},                 // text
    BuiltIn{26, 1028, {decode_int}},                  // oid
    BuiltIn{114, 199, {decode_json}},                 // json
    BuiltIn{142, 143, {decode_text}},                 // xml
    BuiltIn{603, 1020, {decode_text, nullptr, ';'}},  // box: the delimiter is that of its arrays
    BuiltIn{650, 651, {decode_text}},                 // cidr
    BuiltIn{700, 1021, {decode_float4}},              // float4
    BuiltIn{701, 1022, {decode_float8}},              // float8
    BuiltIn{790, 791, {decode_text}},                 // money
    BuiltIn{829, 1040, {decode_text}},                // macaddr
    BuiltIn{869, 1041, {decode_text}},                // inet
    BuiltIn{1042, 1014, {decode_text}},               // bpchar
    BuiltIn{1043, 1015, {decode_text}},               // varchar
    BuiltIn{1082, 1182, {decode_date}},               // date
    BuiltIn{1083, 1183, {decode_time}},               // time
    BuiltIn{1114, 1115, {decode_datetime}},           // timestamp
    BuiltIn{1184, 1185, {decode_timestamp}},          // timestamptz
    BuiltIn{1186, 1187, {decode_text}},               // interval
    BuiltIn{1266, 1270, {decode_time}},               // timetz
    BuiltIn{1560, 1561, {decode_text}},               // bit
    BuiltIn{1562, 1563, {decode_text}},               // varbit
    BuiltIn{1700, 1231, {decode_numeric}},            // numeric
    BuiltIn{2950, 2951, {decode_text}},               // uuid
    BuiltIn{3802, 3807, {decode_json}},               // jsonb
};

constexpr auto kArrays = [] {
  std::array<Type, kBuiltIns.size()> arrays{};
  for (std::size_t i = 0; i < kBuiltIns.size(); ++i)
    arrays[i] = {decode_array, &kBuiltIns[i].type, kBuiltIns[i].type.delimiter};
  return arrays;
}();

const Type* built_in(std::uint32_t oid) {
  for (std::size_t i = 0; i < kBuiltIns.size(); ++i) {
    if (kBuiltIns[i].oid == oid) return &kBuiltIns[i].type;
    if (kBuiltIns[i].array_oid == oid) return &kArrays[i];
  }
  return nullptr;
}

}  // namespace

bool TypeTable::knows(std::uint32_t oid) const { return built_in(oid) != nullptr || learned_.contains(oid); }

const Type* TypeTable::get(std::uint32_t oid) const {
  if (const Type* type = built_in(oid)) return type;
  auto found = learned_.find(oid);
  return found == learned_.end() ? &kText : &found->second;
}

void TypeTable::learn(std::span<const TypeRow> rows) {
  for (const TypeRow& row : rows) learn(rows, row.oid, 0);
}

const Type* TypeTable::learn(std::span<const TypeRow> rows, std::uint32_t oid, int depth) {
  constexpr int kDeepest = 32;  // a damaged catalogue could go round in circles
  if (knows(oid)) return get(oid);
  auto row = std::ranges::find(rows, oid, &TypeRow::oid);
  if (row == rows.end() || depth > kDeepest) return &kText;
  Type type = row->is_hstore ? Type{decode_hstore} : kText;
  if (row->base != 0) type = *learn(rows, row->base, depth + 1);
  if (row->element != 0) type = {decode_array, learn(rows, row->element, depth + 1), row->delimiter};
  return &learned_.insert_or_assign(oid, type).first->second;
}

}  // namespace deltaforge::sources::postgres
