#include "config/report.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace deltaforge::config {

std::string Problem::text() const {
  // Users think of "sinks[0]"; all of a pipeline but its names is under spec.
  std::string_view shown = path;
  if (shown.starts_with("spec.")) shown.remove_prefix(5);
  return fmt::format("{}:{}:{}: {}{}{}", file, place.line, place.column, shown, shown.empty() ? "" : ": ", message);
}

void Report::add(const Node& node, std::string message) {
  add(Problem{node.file(), node.place(), node.path(), std::move(message)});
}

void Report::add(const Node& map, std::string_view field, std::string message) {
  if (const Node* value = map.find(field)) return add(*value, std::move(message));
  std::string path = map.path().empty() ? std::string(field) : fmt::format("{}.{}", map.path(), field);
  add(Problem{map.file(), map.place(), std::move(path), std::move(message)});
}

void Report::add(Problem problem) { problems_.push_back(std::move(problem)); }

std::string Report::text() const {
  std::vector<const Problem*> sorted;
  for (const Problem& problem : problems_) sorted.push_back(&problem);
  const auto where = [](const Problem* p) { return std::tie(p->file, p->place.line, p->place.column); };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Problem* a, const Problem* b) { return where(a) < where(b); });
  std::string out;
  for (const Problem* problem : sorted) out += problem->text() + "\n";
  return out;
}

}  // namespace deltaforge::config
