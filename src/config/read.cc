#include "config/read.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <system_error>

#include <fmt/format.h>

#include "config/expand.h"
#include "config/nested.h"
#include "config/redact.h"
#include "config/wording.h"

namespace deltaforge::config {
namespace {

// What the user sees in the file: `${PORT}` rather than what the variable holds.
std::string found(const Node& node) {
  return node.is_scalar() ? quoted(node.text()) : std::string(to_string(node.kind()));
}

void wrong_type(const Node& node, std::string_view expected, Report& report) {
  report.add(node, fmt::format("expected {}, found {}", expected, found(node)));
}

std::string bounds(const FieldOptions& options) {
  if (options.min && options.max) return fmt::format("not within {:.17g}..{:.17g}", *options.min, *options.max);
  return options.min ? fmt::format("below {:.17g}", *options.min) : fmt::format("above {:.17g}", *options.max);
}

bool within(double value, const FieldOptions& options) {
  return (!options.min || value >= *options.min) && (!options.max || value <= *options.max);
}

bool check_number(const Node& node, double value, const FieldOptions& options, Report& report) {
  if (within(value, options)) return true;
  report.add(node, fmt::format("out of range: {} is {}", printable(node.text()), bounds(options)));
  return false;
}

// `what`: "bytes", "entries".
bool check_size(const Node& node, std::size_t size, const FieldOptions& options, std::string_view what,
                Report& report) {
  if (size == 0 && options.required) {
    report.add(node, "required field is empty");
    return false;
  }
  if (within(static_cast<double>(size), options)) return true;
  report.add(node, fmt::format("out of range: {} {} is {}", size, what, bounds(options)));
  return false;
}

std::optional<std::string> read_text(const Node& node, bool secret, Report& report) {
  if (node.is_scalar()) return expand(node, secret, report);
  report.add(node, fmt::format("expected text, found {}", to_string(node.kind())));
  return std::nullopt;
}

// The text of a number or boolean. Quotes make text of it, unless they stand around a variable.
std::optional<std::string> read_plain(const Node& node, std::string_view expected, Report& report) {
  if (!node.is_scalar()) {
    wrong_type(node, expected, report);
    return std::nullopt;
  }
  auto text = expand(node, false, report);
  if (text && node.quoted() && *text == node.text()) {
    report.add(node, fmt::format("expected {}, found the quoted text {}: remove the quotes", expected, found(node)));
    return std::nullopt;
  }
  return text;
}

template <class Number>
std::optional<Number> read_integer(const Node& node, std::string_view expected, const FieldOptions& options,
                                   Report& report) {
  const auto text = read_plain(node, expected, report);
  if (!text) return std::nullopt;
  Number value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  const bool whole = end == text->data() + text->size();
  if (whole && error == std::errc::result_out_of_range) {
    report.add(node, fmt::format("out of range: {} does not fit into 64 bits", printable(node.text())));
    return std::nullopt;
  }
  if (!whole || error != std::errc{}) {
    wrong_type(node, expected, report);
    return std::nullopt;
  }
  if (!check_number(node, static_cast<double>(value), options, report)) return std::nullopt;
  return value;
}

template <class Item, class Convert>
void read_list(const Node& node, std::vector<Item>& out, std::string_view expected, const FieldOptions& options,
               Report& report, Convert convert) {
  if (!node.is_list()) {
    const std::string hint = node.is_scalar() ? fmt::format(": write [{}]", printable(node.text())) : "";
    report.add(node, fmt::format("expected {}, found {}{}", expected, found(node), hint));
    return;
  }
  if (!check_size(node, node.children().size(), options, "entries", report)) return;
  std::vector<Item> items;
  bool good = true;
  for (const Node& child : node.children()) {
    const auto text = read_text(child, false, report);
    std::optional<Item> item;
    if (text) item = convert(child, *text);
    good = good && item;
    if (item) items.push_back(std::move(*item));
  }
  if (good) out = std::move(items);
}

}  // namespace

void read(const Node& node, std::string& out, const FieldOptions& options, Report& report) {
  auto text = read_text(node, false, report);
  if (text && check_size(node, text->size(), options, "bytes", report)) out = std::move(*text);
}

void read(const Node& node, Secret& out, const FieldOptions& options, Report& report) {
  auto text = read_text(node, true, report);
  if (text && check_size(node, text->size(), options, "bytes", report)) out = Secret(std::move(*text));
}

void read(const Node& node, bool& out, const FieldOptions&, Report& report) {
  static constexpr std::array<std::string_view, 3> kTrue = {"true", "True", "TRUE"};
  static constexpr std::array<std::string_view, 3> kFalse = {"false", "False", "FALSE"};
  static constexpr std::array<std::string_view, 3> kYes = {"yes", "on", "y"};
  static constexpr std::array<std::string_view, 3> kNo = {"no", "off", "n"};
  const auto text = read_plain(node, "true or false", report);
  if (!text) return;
  const auto is = [](const auto& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (is(kTrue, *text)) {
    out = true;
  } else if (is(kFalse, *text)) {
    out = false;
  } else {
    std::string lower = *text;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const std::string hint = is(kYes, lower) ? ": write true" : is(kNo, lower) ? ": write false" : "";
    report.add(node, fmt::format("expected true or false, found {}{}", found(node), hint));
  }
}

void read(const Node& node, std::int64_t& out, const FieldOptions& options, Report& report) {
  if (auto value = read_integer<std::int64_t>(node, "an integer", options, report)) out = *value;
}

void read(const Node& node, double& out, const FieldOptions& options, Report& report) {
  const auto text = read_plain(node, "a number", report);
  if (!text) return;
  double value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || !std::isfinite(value)) {
    return wrong_type(node, "a number", report);
  }
  if (check_number(node, value, options, report)) out = value;
}

void read(const Node& node, Millis& out, const FieldOptions& options, Report& report) {
  FieldOptions positive = options;
  if (!positive.min) positive.min = 0;
  const auto value = read_integer<std::int64_t>(node, "milliseconds as a plain integer", positive, report);
  if (value) out.count = *value;
}

void read(const Node& node, ByteSize& out, const FieldOptions& options, Report& report) {
  const auto value = read_integer<std::uint64_t>(node, "bytes as a plain integer", options, report);
  if (value) out.count = *value;
}

void read(const Node& node, Template& out, const FieldOptions& options, Report& report) {
  if (!node.is_scalar()) return wrong_type(node, "text", report);
  auto value = expand_template(node, report);
  if (value && check_size(node, value->empty() ? 0 : value->text().size(), options, "bytes", report)) {
    out = std::move(*value);
  }
}

void read(const Node& node, std::vector<std::string>& out, const FieldOptions& options, Report& report) {
  read_list(node, out, "a list of texts", options, report,
            [](const Node&, const std::string& text) { return std::optional(text); });
}

void read(const Node& node, std::vector<TablePattern>& out, const FieldOptions& options, Report& report) {
  read_list(node, out, "a list of table patterns", options, report, [&](const Node& child, const std::string& text) {
    std::string why;
    auto pattern = TablePattern::parse(text, why);
    if (!pattern) report.add(child, fmt::format("table pattern {}: {}", found(child), why));
    return pattern;
  });
}

void read(const Node& node, std::map<std::string, std::string>& out, const FieldOptions& options, Report& report) {
  if (!node.is_map()) return wrong_type(node, "a map of texts", report);
  if (!check_size(node, node.children().size(), options, "entries", report)) return;
  std::map<std::string, std::string> entries;
  const std::size_t before = report.problems().size();
  for (const Node& child : node.children()) {
    if (auto text = read_text(child, names_secret(child.key()), report)) entries[child.key()] = std::move(*text);
  }
  if (report.problems().size() == before) out = std::move(entries);
}

void read(const Node& node, Node& out, const FieldOptions&, Report&) { out = node; }

std::optional<std::size_t> read_choice(const Node& node, const std::vector<std::string>& choices, Report& report) {
  const auto text = read_text(node, false, report);
  if (!text) return std::nullopt;
  const auto at = std::find(choices.begin(), choices.end(), *text);
  if (at != choices.end()) return static_cast<std::size_t>(at - choices.begin());
  report.add(node, fmt::format("unknown value {}{} allowed are: {}", found(node), did_you_mean(*text, choices, ","),
                               join(choices)));
  return std::nullopt;
}

bool check_list(const Node& node, const FieldOptions& options, Report& report) {
  if (node.is_list()) return check_size(node, node.children().size(), options, "entries", report);
  wrong_type(node, "a list", report);
  return false;
}

void echo(const std::string& value, Echo& to) { to.string(value); }
void echo(const Secret& value, Echo& to) { to.secret(value.empty()); }
void echo(const bool& value, Echo& to) { to.boolean(value); }
void echo(const std::int64_t& value, Echo& to) { to.number(value); }
void echo(const double& value, Echo& to) { to.number(value); }
void echo(const Millis& value, Echo& to) { to.number(value.count); }
void echo(const ByteSize& value, Echo& to) { to.number(value.count); }
void echo(const Template& value, Echo& to) { to.string(value.text()); }

void echo(const std::vector<std::string>& values, Echo& to) {
  to.begin_list();
  for (const std::string& value : values) to.string(value);
  to.end_list();
}

void echo(const std::vector<TablePattern>& values, Echo& to) {
  to.begin_list();
  for (const TablePattern& value : values) to.string(value.text());
  to.end_list();
}

void echo(const std::map<std::string, std::string>& values, Echo& to) {
  to.begin_map();
  for (const auto& [name, value] : values) {
    to.key(name);
    if (names_secret(name)) {
      to.secret(value.empty());
    } else {
      to.string(value);
    }
  }
  to.end_map();
}

}  // namespace deltaforge::config
