#include "processors/mask/config.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "base/utf8.h"
#include "config/wording.h"

namespace deltaforge::processors::mask {
namespace {

using config::Node;
using config::Report;
using config::TablePattern;

// Of fields that one action needs and others must not have.
void check_goes_with(const Node& rule, std::string_view field, bool wanted, std::string_view with, Report& report) {
  const Node* given = rule.find(field);
  if (given != nullptr && !given->is_null() && !wanted)
    report.add(rule, field, fmt::format("it goes with {} only: leave it out, or change `action`", with));
}

bool same_tables(const Rule& a, const Rule& b) {
  return std::ranges::equal(a.tables, b.tables, {}, &TablePattern::text, &TablePattern::text);
}

// Whether every column that `name` means is one that the rule is for. `name` may be a pattern itself.
bool takes(const Rule& rule, const std::string& name) {
  std::string why;
  return std::ranges::any_of(rule.columns, [&](const std::string& column) {
    const auto pattern = TablePattern::parse_name(column, why);
    return column == name || (pattern && pattern->matches("", name));
  });
}

}  // namespace

const config::Spec<Rule>& Rule::spec() {
  static const auto s = [] {
    config::Spec<Rule> spec("mask_rule", "Which columns, and what others see of them.");
    spec.field("tables", &Rule::tables, "Tables that it is for; empty: all.")
        .field("columns", &Rule::columns, "Names of columns; `*` is any run of characters.", {.required = true})
        .choice("action", &Rule::action,
                "What others see: a keyed hash, another text, the beginning, nothing, "
                "or the value under another name.",
                {{"hash", Action::hash},
                 {"redact", Action::redact},
                 {"truncate", Action::truncate},
                 {"drop", Action::drop},
                 {"rename", Action::rename}},
                {.required = true})
        .field("key", &Rule::key, "Key of `hash`: HMAC-SHA-256 of the value's text, as hex.", {.min = 1})
        .field("to", &Rule::to, "The text of `redact`, without it `***`; the name of `rename`.")
        .field("length", &Rule::length, "Characters that `truncate` leaves.", {.min = 0});
    return spec;
  }();
  return s;
}

void Rule::check(const Node& node, Report& report) const {
  const Node* list = node.find("columns");
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::string why;
    if (!TablePattern::parse_name(columns[i], why))
      report.add(list->children()[i], fmt::format("column pattern {}: {}", config::quoted(columns[i]), why));
  }
  if (!action) return;  // reported already
  check_goes_with(node, "key", *action == Action::hash, "hash", report);
  check_goes_with(node, "to", *action == Action::redact || *action == Action::rename, "redact and rename", report);
  check_goes_with(node, "length", *action == Action::truncate, "truncate", report);
  const auto given = [&](std::string_view field) {
    const Node* value = node.find(field);
    return value != nullptr && !value->is_null();
  };
  if (to && !is_utf8(*to)) report.add(node, "to", "it is not UTF-8");
  if (*action == Action::hash && !given("key"))
    report.add(node, "action",
               "hash needs a `key`: write `key: ${MASK_KEY}`, and give the process 32 random bytes in it");
  if (*action == Action::truncate && !given("length"))
    report.add(node, "action", "truncate needs a `length`: how many characters are left");
  if (*action != Action::rename) return;
  if (!to || to->empty()) report.add(node, given("to") ? "to" : "action", "rename needs a name in `to`");
  const bool is_one = columns.size() == 1 && columns[0].find_first_of("*%") == std::string::npos;
  if (!columns.empty() && !is_one)
    report.add(node, "columns", "rename takes one column, without `*`: two would get one name; give each its own rule");
}

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("mask", "Hides values of columns from all that stands behind it.");
    spec.choice("type", &Config::type, "`mask`.", {{"mask", Type::mask}}, {.required = true})
        .field("id", &Config::id, "Name in metrics and messages.", {.min = 1})
        .nested("rules", &Config::rules,
                "Which columns, and what others see of them; of several rules for a column the first counts.",
                {.required = true, .min = 1});
    return spec;
  }();
  return s;
}

// A rule that never comes to its turn is a value that leaves otherwise than was meant.
void Config::check(const Node& node, Report& report) const {
  for (std::size_t later = 1; later < rules.size(); ++later)
    for (std::size_t i = 0; i < rules[later].columns.size(); ++i)
      for (std::size_t before = 0; before < later; ++before) {
        const Rule& first = rules[before];
        if (!first.tables.empty() && !same_tables(first, rules[later])) continue;
        if (!takes(first, rules[later].columns[i])) continue;
        const Node& column = node.find("rules")->children()[later].find("columns")->children()[i];
        report.add(column, fmt::format("rules[{}] is for {} already, and the first rule counts: put this one before it",
                                       before, config::quoted(rules[later].columns[i])));
        break;
      }
}

}  // namespace deltaforge::processors::mask
