// A destination or key with variables: "cdc.${source.db}.${after.region}". The set of variables is closed. Environment
// names are already replaced, and what they held is literal text: it cannot bring variables in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace deltaforge::config {

class Template {
 public:
  enum class What : std::uint8_t { literal, table, db, schema, connector, op, tenant_id, after, before };
  struct Part {
    What what = What::literal;
    std::string text;               // the literal, or the path as written
    std::vector<std::string> path;  // after, before: the names between the dots
    bool operator==(const Part&) const = default;
  };

  Template() = default;
  // For defaults and tests: no environment, and a wrong variable aborts. Files go through Spec.
  explicit Template(std::string_view text);
  explicit Template(std::vector<Part> parts) : parts_(std::move(parts)) {}

  // Never two literals in a row.
  const std::vector<Part>& parts() const { return parts_; }
  bool empty() const { return parts_.empty(); }
  bool is_static() const { return parts_.empty() || (parts_.size() == 1 && parts_[0].what == What::literal); }
  // As it would be written in a file; a literal `${` is `$${`.
  std::string text() const;

  // The part for `${name}`, or nothing when the name is not in the set.
  static std::optional<Part> variable(std::string_view name);
  static constexpr std::string_view kVariables =
      "${source.table}, ${source.db}, ${source.schema}, ${source.connector}, ${op}, ${after.<path>}, ${before.<path>}, "
      "${tenant_id}";

 private:
  std::vector<Part> parts_;
};

}  // namespace deltaforge::config
