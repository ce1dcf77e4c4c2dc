#include "processors/filter/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>

#include <fmt/format.h>
#include <re2/re2.h>

#include "config/wording.h"
#include "processors/filter/decimals.h"

namespace deltaforge::processors::filter {
namespace {

using config::Node;
using config::Report;

constexpr std::array<std::pair<std::string_view, Op>, 5> kOps{{{"create", Op::create},
                                                               {"update", Op::update},
                                                               {"delete", Op::remove},
                                                               {"read", Op::read},
                                                               {"truncate", Op::truncate}}};

bool wants_list(Test op) { return op == Test::in || op == Test::not_in; }
bool wants_nothing(Test op) { return op == Test::exists || op == Test::not_exists || op == Test::changed; }
bool orders(Test op) { return op == Test::gt || op == Test::gte || op == Test::lt || op == Test::lte; }

// As it is written in JSON; others are text.
bool is_number(std::string_view text) {
  static const re2::RE2 number(R"(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)");
  return re2::RE2::FullMatch({text.data(), text.size()}, number);
}

// Where rounding made an integer of what is none, or made another one of it.
std::strong_ordering rounded(long double number, std::string_view written) {
  if (number < -0x1p63L || number >= 0x1p64L || std::trunc(number) != number) return std::strong_ordering::equal;
  return compare_decimals(number < 0 ? std::to_string(static_cast<std::int64_t>(number))
                                     : std::to_string(static_cast<std::uint64_t>(number)),
                          written);
}

// In quotes it is text, whatever it looks like.
void read_operand(const Node& node, std::vector<Operand>& out, Report& report) {
  if (!node.is_scalar()) return report.add(node, "expected text, a number, true or false");
  Operand operand;
  const auto before = report.problems().size();
  config::read(node, operand.text, {}, report);
  if (report.problems().size() != before) return;
  const std::string& text = operand.text;
  if (!node.quoted() && is_number(text)) {
    long double number = 0;
    const auto whole = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto real = std::from_chars(text.data(), text.data() + text.size(), operand.real);
    if (whole.ec != std::errc() || real.ec != std::errc()) return report.add(node, "a number beyond all columns");
    operand.number = number;
    operand.rounded = rounded(number, text);
  }
  if (!node.quoted() && (text == "true" || text == "false")) operand.truth = text == "true";
  out.push_back(std::move(operand));
}

void read_value(const Node& node, Operands& out, Report& report) {
  out = {};
  out.list = node.is_list();
  if (!out.list) return read_operand(node, out.all, report);
  for (const Node& each : node.children()) read_operand(each, out.all, report);
}

void show_operand(const Operand& operand, config::Echo& echo) {
  if (operand.truth) return echo.boolean(*operand.truth);
  if (operand.number) return echo.literal(operand.text);
  echo.string(operand.text);
}

void show_value(const Operands& value, config::Echo& echo) {
  if (!value.list) return value.all.empty() ? echo.null() : show_operand(value.all[0], echo);
  echo.begin_list();
  for (const Operand& each : value.all) show_operand(each, echo);
  echo.end_list();
}

void read_ops(const Node& node, std::vector<Op>& out, Report& report) {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& [name, op] : kOps) all.emplace_back(name);
    return all;
  }();
  out.clear();
  if (!node.is_list()) return report.add(node, "expected a list of operations: [create, update]");
  for (const Node& each : node.children())
    if (const auto index = config::read_choice(each, names, report)) out.push_back(kOps[*index].second);
}

void show_ops(const std::vector<Op>& all, config::Echo& echo) {
  echo.begin_list();
  for (const Op op : all) echo.string(std::ranges::find(kOps, op, &std::pair<std::string_view, Op>::second)->first);
  echo.end_list();
}

}  // namespace

const config::Spec<Field>& Field::spec() {
  static const auto s = [] {
    config::Spec<Field> spec("filter_field", "One test of a field of `after`.");
    spec.field("path", &Field::path, "Column, or column and members of its JSON: `customer.tier`.", {.required = true})
        .choice("op", &Field::op, "Test.",
                {{"eq", Test::eq},
                 {"ne", Test::ne},
                 {"exists", Test::exists},
                 {"not_exists", Test::not_exists},
                 {"gt", Test::gt},
                 {"gte", Test::gte},
                 {"lt", Test::lt},
                 {"lte", Test::lte},
                 {"in", Test::in},
                 {"not_in", Test::not_in},
                 {"contains", Test::contains},
                 {"changed", Test::changed},
                 {"regex", Test::regex}},
                {.required = true})
        .custom("value", &Field::value, "What it is compared with; a list for `in` and `not_in`.", read_value, {},
                show_value)
        .shaped({.type = "operand"});
    return spec;
  }();
  return s;
}

void Field::check(const Node& node, Report& report) const {
  const Node* given = node.find("value");
  const bool there = given != nullptr && !given->is_null();
  if (wants_nothing(op)) {
    if (there) report.add(*given, "this op compares with nothing: leave `value` out");
    return;
  }
  if (!there) return report.add(node, "value", "this op needs a `value`");
  if (given->is_list() && !wants_list(op)) return report.add(*given, "a list goes with `in` and `not_in` only");
  if (!given->is_list() && wants_list(op)) return report.add(*given, "expected a list: [a, b]");
  if (value.all.empty()) return;  // reported already, or an empty list
  if (orders(op) && value.all[0].truth) report.add(*given, "expected a number or text");
  if (op == Test::regex) {
    const re2::RE2 pattern(value.all[0].text, re2::RE2::Quiet);
    if (!pattern.ok()) report.add(*given, "not a regular expression: " + config::printable(pattern.error(), 120));
  }
}

const config::Spec<Tables>& Tables::spec() {
  static const auto s = config::Spec<Tables>("filter_tables", "Which tables pass.")
                            .field("include", &Tables::include, "Only these; empty: all.")
                            .field("exclude", &Tables::exclude, "But not these.");
  return s;
}

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("filter", "Drops events that do not pass every test that is given.");
    spec.choice("type", &Config::type, "`filter`.", {{"filter", Type::filter}}, {.required = true})
        .field("id", &Config::id, "Name in metrics and messages.", {.min = 1})
        .custom("ops", &Config::ops, "Operations that pass; empty: all.", read_ops, {}, show_ops)
        .shaped({.type = "list of strings"})
        .nested("tables", &Config::tables, "Tables that pass.")
        .nested("fields", &Config::fields,
                "Tests of fields of `after`. An event without `after` passes `changed` only.")
        .choice("match", &Config::match, "Whether all tests of `fields` must hold, or any.",
                {{"all", Match::all}, {"any", Match::any}});
    return spec;
  }();
  return s;
}

}  // namespace deltaforge::processors::filter
