#include "pipeline/row_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"

namespace deltaforge::pipeline {
namespace {

// As std::to_string writes it: such a text may have been an integer before its column was altered.
bool is_integer(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  return !digits.empty() && digits.size() < 20 && (digits[0] != '0' || text == "0") &&
         std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
}

// One value looks the same whatever type its column has. False: it was not logged.
bool append(const Value& value, std::string& to) {
  switch (value.kind()) {
    case Kind::absent:
    case Kind::unchanged: return false;
    case Kind::null: to += 'n'; break;
    case Kind::boolean: to += value.as_bool() ? '1' : '0'; break;
    case Kind::int64: to += std::to_string(value.as_int64()); break;
    case Kind::uint64: to += std::to_string(value.as_uint64()); break;
    case Kind::float32:
    case Kind::float64: to += fmt::format("{}", value.as_real()); break;
    case Kind::array:
      for (const Value& item : value.as_array())
        if (!append(item, to)) return false;
      break;
    default:
      if (!is_integer(value.as_text())) to += std::to_string(value.as_text().size()) + ':';
      to += value.as_text();
  }
  to += '\0';
  return true;
}

// `other`: has the columns that the log left out of `image` because they are the same in both (a key of two columns of
// which one changed, with MySQL's binlog_row_image = MINIMAL).
void add_row(const TableSchema& schema, const Image& image, const Image& other, std::vector<std::uint64_t>& to) {
  if (!image.present || schema.key.empty()) return;
  std::string text = schema.full_name;
  text += '\0';
  for (std::uint32_t column : schema.key)
    if (!append(image.values[column], text) && !(other.present && append(other.values[column], text))) return;
  const std::uint64_t row = xxh3_64(as_bytes(text));
  if (std::ranges::find(to, row) == to.end()) to.push_back(row);
}

}  // namespace

RowKeys row_keys(const Event& event) {
  RowKeys keys;
  keys.table = event.schema->name_hash;
  keys.whole_table = event.op == Op::truncate;
  add_row(*event.schema, event.before, event.after, keys.rows);
  add_row(*event.schema, event.after, event.before, keys.rows);
  return keys;
}

void BlockedRows::add(Firsts& to, std::uint64_t key, Order order) {
  const auto [found, fresh] = to.try_emplace(key, order);
  if (!fresh) found->second = std::min(found->second, order);
}

bool BlockedRows::blocks(const Firsts& by, std::uint64_t key, Order order) {
  const auto found = by.find(key);
  return found != by.end() && found->second < order;
}

void BlockedRows::add(const RowKeys& keys, Order order) {
  if (keys.rows.empty() && !keys.whole_table) return;
  add(tables_, keys.table, order);
  if (keys.whole_table) add(whole_tables_, keys.table, order);
  for (const std::uint64_t row : keys.rows) add(rows_, row, order);
}

bool BlockedRows::blocks(const RowKeys& keys, Order order) const {
  if (!blocks(tables_, keys.table, order)) return false;
  if (keys.whole_table || blocks(whole_tables_, keys.table, order)) return true;
  return std::ranges::any_of(keys.rows, [&](std::uint64_t row) { return blocks(rows_, row, order); });
}

}  // namespace deltaforge::pipeline
