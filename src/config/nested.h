// Fields that are structs with a spec() of their own: one, std::optional of one, or a std::vector of them.
#pragma once

#include <optional>
#include <vector>

#include "config/echo.h"
#include "config/node.h"
#include "config/read.h"
#include "config/report.h"

namespace deltaforge::config {

template <class M>
struct Unwrapped {
  using Type = M;
};
template <class M>
struct Unwrapped<std::optional<M>> {
  using Type = M;
};
template <class M>
struct Unwrapped<std::vector<M>> {
  using Type = M;
};

// Whether the node is a list of as many entries as the options allow; if not, the report says so.
bool check_list(const Node& node, const FieldOptions& options, Report& report);

template <class N>
void read_nested(const Node& node, N& out, const FieldOptions&, Report& report) {
  N::spec().parse(node, out, report);
  if constexpr (requires { out.check(node, report); }) out.check(node, report);
}
template <class N>
void read_nested(const Node& node, std::optional<N>& out, const FieldOptions& options, Report& report) {
  read_nested(node, out.emplace(), options, report);
}
template <class N>
void read_nested(const Node& node, std::vector<N>& out, const FieldOptions& options, Report& report) {
  if (!check_list(node, options, report)) return;
  out.clear();
  for (const Node& child : node.children()) read_nested(child, out.emplace_back(), {}, report);
}

template <class N>
void echo_nested(const N& value, Echo& to) {
  N::spec().echo(value, to);
}
template <class N>
void echo_nested(const std::optional<N>& value, Echo& to) {
  if (value) return echo_nested(*value, to);
  to.null();
}
template <class N>
void echo_nested(const std::vector<N>& values, Echo& to) {
  to.begin_list();
  for (const N& value : values) echo_nested(value, to);
  to.end_list();
}

// The name of the type in references and schemas. Only the pointer's type counts.
template <class N>
constexpr const char* nested_type_name(const N*) {
  return "map";
}
template <class N>
constexpr const char* nested_type_name(const std::vector<N>*) {
  return "list of maps";
}

}  // namespace deltaforge::config
