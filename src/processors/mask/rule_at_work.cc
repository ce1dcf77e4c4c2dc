#include "processors/mask/rule_at_work.h"

#include <algorithm>

#include "base/check.h"
#include "base/utf8.h"
#include "core/event_id.h"
#include "core/outbox.h"
#include "encode/bytes_mark.h"
#include "encode/json_member.h"
#include "encode/json_writer.h"
#include "encode/plain_value.h"

namespace deltaforge::processors::mask {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kNotUtf8 = "\xff";

bool is_pattern(std::string_view text) { return text.find_first_of("*%") != std::string_view::npos; }

// What a processor before this one wrote as JSON, or a column of it: null is NULL, a string is text, however it is
// escaped, and the mark of an unchanged value is that. So a value is masked alike on all ways. Text lies in `scratch`.
Value read_back(std::string_view json, Slab& scratch) {
  const std::size_t begin = json.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return Value::of_text(Kind::json, json);
  json = json.substr(begin, json.find_last_not_of(kBlanks) + 1 - begin);
  if (json == "null") return Value::null();
  if (json == encode::kUnchanged) return Value::unchanged();
  scratch.truncate(0);
  if (json.starts_with('"') && encode::append_unescaped(json, scratch))
    return Value::of_text(Kind::text, scratch.view());
  return Value::of_text(Kind::json, json);
}

// Never half a character.
std::string_view first_characters(std::string_view text, std::int64_t count) {
  const char* const end = text.data() + text.size();
  const char* at = text.data();
  for (; count > 0 && at < end; --count)
    at += static_cast<signed char>(*at) >= 0 ? 1 : std::max<std::size_t>(utf8_sequence(at, end), 1);
  return text.substr(0, static_cast<std::size_t>(at - text.data()));
}

}  // namespace

RuleAtWork::RuleAtWork(const Rule& rule) : rule_(rule), to_(rule.to.value_or("***")) {
  for (const std::string& column : rule.columns) {
    std::string why;
    auto pattern = config::TablePattern::parse_name(column, why);
    DF_CHECK(pattern, "a pattern of columns was not checked");
    columns_.push_back(std::move(*pattern));
  }
  if (rule.action == Action::hash) hmac_.emplace(rule.key->reveal());
}

bool RuleAtWork::is_for_table(const TableSchema& table) const {
  return rule_.tables.empty() || std::ranges::any_of(rule_.tables, [&](const config::TablePattern& pattern) {
           return pattern.matches(qualifier_of(table), table.table);
         });
}

bool RuleAtWork::is_for_column(std::string_view name) const {
  return std::ranges::any_of(columns_, [&](const auto& pattern) { return pattern.matches("", name); });
}

std::vector<std::string> RuleAtWork::missing(const TableSchema& table) const {
  std::vector<std::string> names;
  const bool is_named = std::ranges::any_of(rule_.tables, [&](const config::TablePattern& pattern) {
    return !is_pattern(pattern.text()) && pattern.matches(qualifier_of(table), table.table);
  });
  if (!is_named) return names;
  for (const config::TablePattern& column : columns_)
    if (!is_pattern(column.text()) &&
        std::ranges::none_of(table.columns, [&](const Column& each) { return column.matches("", each.name); }))
      names.push_back(column.text());
  return names;
}

Value RuleAtWork::apply(const Value& value, Pages& pages, Slab& scratch) {
  const Value told = value.kind() == Kind::json ? read_back(value.as_text(), scratch) : value;
  if (!encode::is_known(told)) return told;
  switch (*rule_.action) {
    case Action::hash: return hashed(told, pages, scratch);
    case Action::redact: return Value::of_text(Kind::text, to_);
    case Action::truncate: return truncated(told, pages, scratch);
    case Action::drop:
    case Action::rename: return value;
  }
  DF_CHECK(false, "an action of no kind");
}

Value RuleAtWork::hashed(const Value& value, Pages& pages, Slab& scratch) {
  const auto print = [&]() -> std::string_view {
    switch (value.kind()) {
      case Kind::text:
      case Kind::decimal:
      case Kind::date:
      case Kind::time:
      case Kind::datetime:
      case Kind::timestamp: return value.as_text();
      default: break;
    }
    scratch.truncate(0);
    if (encode::append_plain(value, scratch)) return scratch.view();
    return value.kind() == Kind::json ? value.as_text() : std::string_view();
  };
  std::string_view text = print();
  // A list that is not UTF-8: the sink refuses the event, as it would have without a mask.
  if (value.kind() == Kind::array && text.empty()) return Value::of_text(Kind::text, kNotUtf8);
  if (value.kind() == Kind::json && encode::is_bytes_mark(text)) text = encode::base64_of(text);
  hmac_->add(text);
  const auto sum = hmac_->finish();
  char* const hex = pages.array<char>(2 * sum.size()).data();
  for (std::size_t i = 0; i < sum.size(); ++i) std::copy_n(&kHexPairs[std::size_t{2} * sum[i]], 2, hex + 2 * i);
  return Value::of_text(Kind::text, {hex, 2 * sum.size()});
}

Value RuleAtWork::truncated(const Value& value, Pages& pages, Slab& scratch) const {
  const std::int64_t length = *rule_.length;
  const auto kept = [&](std::string_view text) {
    return Value::of_text(Kind::text, pages.copy(first_characters(text, length)));
  };
  switch (value.kind()) {
    case Kind::text: return kept(value.as_text());
    case Kind::bytes: return Value::of_text(Kind::bytes, value.as_text().substr(0, static_cast<std::size_t>(length)));
    case Kind::json:
      if (value.as_text().find_first_of("{[") != 0 || encode::is_bytes_mark(value.as_text())) return Value::null();
      break;
    case Kind::array: break;
    default: return Value::null();
  }
  scratch.truncate(0);
  return encode::append_plain(value, scratch) ? kept(scratch.view()) : Value::null();
}

}  // namespace deltaforge::processors::mask
