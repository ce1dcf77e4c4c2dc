// Reads one value of the configuration into a field, and shows it again: the closed set of field types. Each read
// leaves `out` alone and adds to the report when the value does not fit. Custom readers may call them too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/echo.h"
#include "config/node.h"
#include "config/report.h"
#include "config/secret.h"
#include "config/table_pattern.h"
#include "config/template.h"
#include "config/types.h"

namespace deltaforge::config {

struct FieldOptions {
  bool required = false;
  // Of numbers their value, of text its length in bytes, of lists and maps the count of entries. Inclusive.
  std::optional<double> min = {};
  std::optional<double> max = {};
};

void read(const Node&, std::string& out, const FieldOptions&, Report&);
void read(const Node&, Secret& out, const FieldOptions&, Report&);
void read(const Node&, bool& out, const FieldOptions&, Report&);
void read(const Node&, std::int64_t& out, const FieldOptions&, Report&);
void read(const Node&, double& out, const FieldOptions&, Report&);
void read(const Node&, Millis& out, const FieldOptions&, Report&);
void read(const Node&, ByteSize& out, const FieldOptions&, Report&);
void read(const Node&, Template& out, const FieldOptions&, Report&);
void read(const Node&, std::vector<std::string>& out, const FieldOptions&, Report&);
void read(const Node&, std::vector<TablePattern>& out, const FieldOptions&, Report&);
void read(const Node&, std::map<std::string, std::string>& out, const FieldOptions&, Report&);
// Kept as it is, for a component's own Spec; never echoed.
void read(const Node&, Node& out, const FieldOptions&, Report&);
// The index of the choice.
std::optional<std::size_t> read_choice(const Node&, const std::vector<std::string>& choices, Report&);

void echo(const std::string&, Echo&);
void echo(const Secret&, Echo&);
void echo(const bool&, Echo&);
void echo(const std::int64_t&, Echo&);
void echo(const double&, Echo&);
void echo(const Millis&, Echo&);
void echo(const ByteSize&, Echo&);
void echo(const Template&, Echo&);
void echo(const std::vector<std::string>&, Echo&);
void echo(const std::vector<TablePattern>&, Echo&);
void echo(const std::map<std::string, std::string>&, Echo&);

// The name of the type in references and schemas. Only the pointer's type counts.
constexpr std::string_view type_name(const std::string*) { return "string"; }
constexpr std::string_view type_name(const Secret*) { return "secret"; }
constexpr std::string_view type_name(const bool*) { return "boolean"; }
constexpr std::string_view type_name(const std::int64_t*) { return "integer"; }
constexpr std::string_view type_name(const double*) { return "number"; }
constexpr std::string_view type_name(const Millis*) { return "milliseconds"; }
constexpr std::string_view type_name(const ByteSize*) { return "bytes"; }
constexpr std::string_view type_name(const Template*) { return "template"; }
constexpr std::string_view type_name(const std::vector<std::string>*) { return "list of strings"; }
constexpr std::string_view type_name(const std::vector<TablePattern>*) { return "list of table patterns"; }
constexpr std::string_view type_name(const std::map<std::string, std::string>*) { return "map of strings"; }
constexpr std::string_view type_name(const Node*) { return "any"; }

template <class T>
void read(const Node& node, std::optional<T>& out, const FieldOptions& options, Report& report) {
  if (node.is_null()) return out.reset();  // as the echo shows it
  T value{};
  const auto before = report.problems().size();
  read(node, value, options, report);
  if (report.problems().size() == before) out = std::move(value);
}

template <class T>
requires requires(const T& value, Echo& to) { echo(value, to); }
void echo(const std::optional<T>& value, Echo& to) {
  if (value) return echo(*value, to);
  to.null();
}

template <class T>
constexpr std::string_view type_name(const std::optional<T>*) {
  return type_name(static_cast<const T*>(nullptr));
}

}  // namespace deltaforge::config
