// A pattern of table names, and names to match.
//
//   pattern LF qualifier LF table
//
// Must hold: it matches what a matcher that is too simple to be wrong matches.
#include <optional>

#include "config/table_pattern.h"
#include "fuzz.h"

namespace {

// One half of a pattern: literal characters, or nothing for a wildcard.
using Glob = std::vector<std::optional<char>>;

// After the half, and the dot that ends it.
Glob half(std::string_view& text, bool stop_at_dot) {
  Glob glob;
  std::size_t at = 0;
  if (text.starts_with('"')) {
    for (at = 1; at < text.size(); ++at) {
      if (text[at] == '"' && !text.substr(at + 1).starts_with('"')) break;
      if (text[at] == '"') ++at;
      glob.emplace_back(text[at]);
    }
    ++at;
  } else {
    for (; at < text.size() && !(stop_at_dot && text[at] == '.'); ++at) {
      if (text[at] == '*' || text[at] == '%')
        glob.emplace_back();
      else
        glob.emplace_back(text[at] == '\\' ? text[++at] : text[at]);
    }
  }
  const bool dot = stop_at_dot && at < text.size();
  text = dot ? text.substr(at + 1) : std::string_view();
  return glob;
}

bool matches(const Glob& glob, std::string_view name) {
  std::vector<bool> reachable(name.size() + 1, false);  // the pattern so far ends here
  reachable[0] = true;
  for (const auto& step : glob) {
    std::vector<bool> next(name.size() + 1, false);
    for (std::size_t i = 0; i <= name.size(); ++i) {
      if (!reachable[i]) continue;
      if (step && i < name.size() && name[i] == *step) next[i + 1] = true;
      for (std::size_t j = i; !step && j <= name.size(); ++j) next[j] = true;
    }
    reachable = std::move(next);
  }
  return reachable[name.size()];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  fuzz::Input in(data, size);
  const std::string text = in.line(), qualifier = in.line(), table = in.text();
  std::string why;
  const auto pattern = config::TablePattern::parse(text, why);
  fuzz::require(pattern.has_value() == why.empty(), "a pattern, or why there is none");
  if (!pattern || size > 300) return 0;
  std::string_view rest = text;
  const Glob first = half(rest, true);
  const Glob second = half(rest, false);
  const bool simple =
      pattern->has_qualifier() ? matches(first, qualifier) && matches(second, table) : matches(first, table);
  fuzz::require(pattern->matches(qualifier, table) == simple, "it matches as it should:", text);
  return 0;
}
