#include "processors/mask/mask.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/utf8.h"
#include "core/outbox.h"
#include "encode/json_items.h"
#include "encode/json_member.h"
#include "encode/json_writer.h"
#include "obs/log.h"

namespace deltaforge::processors::mask {
namespace {

constexpr std::uint32_t kHintEvery = 4096;

// A name of a member, with its quotes.
std::string_view quoted(std::string_view name) { return {name.data() - 1, name.size() + 2}; }

// One that cannot be unescaped is as it is written.
std::string unescaped(std::string_view name, Slab& scratch) {
  scratch.truncate(0);
  const bool plain = name.find('\\') == std::string_view::npos;
  return std::string(!plain && encode::append_unescaped(quoted(name), scratch) ? scratch.view() : name);
}

}  // namespace

Mask::Mask(Config config, const ProcessorContext& context) : config_(std::move(config)), pipeline_(context.pipeline) {
  for (const Rule& rule : config_.rules) rules_.emplace_back(rule);
}

void Mask::process(Batch& batch) {
  Pages& pages = batch.pages();
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    if (i % kHintEvery == 0) batch.passed(i);
    Event& event = batch.event(i);
    if (event.dropped) continue;
    if (event.schema != last_) {
      last_table_ = &table_of(event);
      last_ = event.schema;
    }
    const Table& table = *last_table_;
    if (table.rules.empty()) continue;
    if (event.extra != nullptr) [[unlikely]]
      event.extra = extra(event, table, pages);
    if (table.shown == nullptr) continue;
    event.before = image(event.before, table, pages);
    event.after = image(event.after, table, pages);
    event.schema = table.shown;
  }
  // What one large value took is given back.
  for (Slab* slab : {&scratch_, &out_})
    if (slab->size() > Slab::kSize) slab->clear();
}

RuleAtWork* Mask::Table::rule_of(std::string_view column) const {
  const auto found = std::ranges::find_if(rules, [&](const RuleAtWork* rule) { return rule->is_for_column(column); });
  return found == rules.end() ? nullptr : *found;
}

const Mask::Table& Mask::table_of(const Event& event) {
  const TableSchema& schema = *event.schema;
  if (const auto known = tables_.find(schema.id); known != tables_.end()) return known->second;
  Table table;
  for (RuleAtWork& rule : rules_)
    if (rule.is_for_table(schema)) table.rules.push_back(&rule);
  table.renames = std::ranges::any_of(table.rules, &RuleAtWork::renames);
  reshape(schema, table);
  // A misspelt name would let the values of a column through in silence.
  if (event.extra == nullptr && !is_outbox(schema))
    for (const RuleAtWork* rule : table.rules)
      for (const std::string& column : rule->missing(schema))
        obs::warn("a table lacks a column that is to be masked: look for a spelling, capitals count",
                  {{"pipeline", pipeline_},
                   {"processor", config_.id},
                   {"table", std::string_view(schema.full_name)},
                   {"column", column}});
  return tables_.emplace(schema.id, std::move(table)).first->second;
}

void Mask::reshape(const TableSchema& schema, Table& table) {
  TableSchema shown = schema;
  shown.columns.clear();
  shown.key.clear();
  std::vector<std::uint32_t> places(schema.columns.size());  // of the old columns among the new ones, from 1
  std::vector<std::pair<std::string, std::string>> renamed;
  bool any = false;
  for (std::uint32_t i = 0; i < schema.columns.size(); ++i) {
    Column column = schema.columns[i];
    RuleAtWork* rule = table.rule_of(column.name);
    any = any || rule != nullptr;
    table.same_values = table.same_values && (rule == nullptr || rule->renames());
    if (rule != nullptr && rule->drops()) continue;
    if (rule != nullptr && rule->renames()) {
      renamed.emplace_back(column.name, *rule->rule().to);
      column.name = renamed.back().second;
    } else if (rule != nullptr && rule->rule().action != Action::truncate) {
      column.type = "text";
    }
    table.columns.push_back({i, rule != nullptr && rule->renames() ? nullptr : rule});
    shown.columns.push_back(std::move(column));
    places[i] = static_cast<std::uint32_t>(shown.columns.size());
  }
  if (!any) return;
  for (const auto& [from, to] : renamed)
    if (std::ranges::count(shown.columns, to, &Column::name) > 1) fail(schema, from, to);
  for (const std::uint32_t column : schema.key)
    if (places[column] != 0) shown.key.push_back(places[column] - 1);
  table.shown = shown_.intern(std::move(shown));
}

Image Mask::image(const Image& from, const Table& table, Pages& pages) {
  if (!from.present || table.same_values) return from;
  const std::span<Value> values = pages.array<Value>(table.columns.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto& [column, rule] = table.columns[i];
    const Value& value = from.values[column];
    new (&values[i]) Value(rule == nullptr ? value : rule->apply(value, pages, scratch_));
  }
  return {values, true};
}

const Extra* Mask::extra(const Event& event, const Table& table, Pages& pages) {
  const Extra& given = *event.extra;
  const std::string_view before = object(given.before, event, table, pages),
                         after = object(given.after, event, table, pages);
  if (before.data() == given.before.data() && after.data() == given.after.data()) return event.extra;
  Extra masked = given;
  masked.before = before;
  masked.after = after;
  return new (pages.array<Extra>(1).data()) Extra(masked);
}

// The members of an object are columns, whatever processor made them. Anything else has none.
std::string_view Mask::object(std::string_view json, const Event& event, const Table& table, Pages& pages) {
  out_.truncate(0);
  encode::JsonWriter to(out_);
  to.raw('{');
  bool changed = false;
  std::set<std::string> names;
  std::map<std::string, std::string> renamed;  // new name -> old name
  encode::JsonMembers members(json);
  for (std::string_view name, value; members.next(name, value);) {
    const std::string column = unescaped(name, scratch_);
    RuleAtWork* rule = table.rule_of(column);
    changed = changed || rule != nullptr;
    if (rule != nullptr && rule->drops()) continue;
    const bool renames = rule != nullptr && rule->renames();
    const std::string& shown = renames ? *rule->rule().to : column;
    if (renames) renamed.emplace(shown, column);
    if (table.renames && !names.insert(shown).second && renamed.contains(shown))
      fail(*event.schema, renamed[shown], shown);
    const bool written = renames && to.string(shown);
    if (!written) to.raw(quoted(name));
    to.raw(':');
    const Value masked = Value::of_text(Kind::json, value);
    const Value seen = rule == nullptr || renames ? masked : rule->apply(masked, pages, scratch_);
    if (seen.kind() == Kind::json)
      to.raw(seen.as_text());
    else if ((seen.kind() == Kind::text && !is_utf8(seen.as_text())) || !to.value(seen))
      to.raw("null");
    to.raw(',');
  }
  if (!changed) return json;
  to.close('}');
  to.commit();
  return pages.copy(out_.view());
}

void Mask::fail(const TableSchema& table, const std::string& from, const std::string& to) const {
  throw Error(
      ErrorKind::config,
      fmt::format("processor '{}': column \"{}\" of table {} is to become \"{}\", and there is one of that name",
                  config_.id, from, table.full_name, to),
      "choose another `to`, or drop or rename the other column in a rule of its own");
}

void add(Catalogue& catalogue) { catalogue.processors.add<Mask>("mask"); }

}  // namespace deltaforge::processors::mask
