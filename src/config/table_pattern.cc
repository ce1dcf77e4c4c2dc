#include "config/table_pattern.h"

#include <utility>

#include "base/check.h"

namespace deltaforge::config {
namespace {

// Knuth-Morris-Pratt: where `needle` ends first in `text`, or npos. Linear, whatever a pattern holds.
std::size_t end_of(std::string_view needle, std::string_view text) {
  std::vector<std::size_t> border(needle.size(), 0);
  for (std::size_t i = 1, k = 0; i < needle.size(); ++i) {
    while (k > 0 && needle[i] != needle[k]) k = border[k - 1];
    if (needle[i] == needle[k]) ++k;
    border[i] = k;
  }
  if (needle.empty()) return 0;
  for (std::size_t i = 0, k = 0; i < text.size(); ++i) {
    while (k > 0 && text[i] != needle[k]) k = border[k - 1];
    if (text[i] == needle[k]) ++k;
    if (k == needle.size()) return i + 1;
  }
  return std::string_view::npos;
}

bool is_wildcard(char c) { return c == '*' || c == '%'; }

// After the opening quote; `""` is a quote.
bool parse_quoted(std::string_view text, std::size_t& at, std::string& out) {
  for (; at < text.size(); ++at) {
    if (text[at] != '"') {
      out += text[at];
    } else if (text.substr(at).starts_with("\"\"")) {
      out += text[at++];
    } else {
      ++at;
      return true;
    }
  }
  return false;
}

}  // namespace

bool TablePattern::parse_part(std::string_view text, std::size_t& at, bool stop_at_dot, Runs& runs, std::string& why) {
  const std::size_t begin = at;
  runs = {""};
  if (at < text.size() && text[at] == '"') {
    if (!parse_quoted(text, ++at, runs.back())) {
      why = "a double quote is not closed: close it, or write \\\" for a literal one";
    } else if (at < text.size() && !(stop_at_dot && text[at] == '.')) {
      why = "text after the closing double quote: quote the whole name, or write \\\" for a literal quote";
    } else if (runs.back().empty()) {
      why = "an empty name between double quotes";
    }
    return why.empty();
  }
  for (; at < text.size() && !(stop_at_dot && text[at] == '.'); ++at) {
    if (is_wildcard(text[at])) {
      const bool repeated = runs.size() > 1 && runs.back().empty();
      if (!repeated) runs.emplace_back();
    } else if (text[at] == '"') {
      why = "a double quote inside a name: quote the whole name, or write \\\" for a literal one";
      return false;
    } else if (text[at] == '\\' && ++at == text.size()) {
      why = "a backslash at the end: write \\\\ for a literal one";
      return false;
    } else {
      runs.back() += text[at];
    }
  }
  if (at == begin) why = stop_at_dot && at < text.size() ? "nothing before the dot" : "no table name";
  return why.empty();
}

std::optional<TablePattern> TablePattern::parse(std::string_view text, std::string& why) {
  TablePattern pattern;
  pattern.text_ = text;
  why.clear();
  std::size_t at = 0;
  if (!parse_part(text, at, true, pattern.table_, why)) return std::nullopt;
  if (at < text.size()) {
    pattern.qualifier_ = std::move(pattern.table_);
    if (!parse_part(text, ++at, false, pattern.table_, why)) return std::nullopt;
  }
  return pattern;
}

std::optional<TablePattern> TablePattern::parse_name(std::string_view text, std::string& why) {
  TablePattern pattern;
  pattern.text_ = text;
  why = text.empty() ? "an empty name" : "";
  std::size_t at = 0;
  if (!why.empty() || !parse_part(text, at, false, pattern.table_, why)) return std::nullopt;
  return pattern;
}

TablePattern::TablePattern(std::string_view text) {
  std::string why;
  auto parsed = parse(text, why);
  DF_CHECK(parsed, "a table pattern in the code is malformed");
  *this = std::move(*parsed);
}

bool TablePattern::runs_match(const Runs& runs, std::string_view name) {
  if (runs.size() == 1) return name == runs.front();
  const std::string& first = runs.front();
  const std::string& last = runs.back();
  if (name.size() < first.size() + last.size() || !name.starts_with(first) || !name.ends_with(last)) return false;
  name.remove_prefix(first.size());
  name.remove_suffix(last.size());
  for (std::size_t i = 1; i + 1 < runs.size(); ++i) {
    const std::size_t end = end_of(runs[i], name);
    if (end == std::string_view::npos) return false;
    name.remove_prefix(end);
  }
  return true;
}

bool TablePattern::matches(std::string_view qualifier, std::string_view table,
                           std::optional<std::string_view> bare_qualifier) const {
  if (!runs_match(table_, table)) return false;
  if (qualifier_) return runs_match(*qualifier_, qualifier);
  const bool all = table_ == Runs{"", ""};
  return all || !bare_qualifier || *bare_qualifier == qualifier;
}

}  // namespace deltaforge::config
