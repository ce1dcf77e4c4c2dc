#include "config/expand.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "config/references.h"
#include "config/wording.h"

namespace deltaforge::config {
namespace {

constexpr std::size_t kMaxExpanded = 1024 * 1024;

bool is_environment_name(std::string_view name) {
  const auto upper = [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && upper(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return upper(c) || (c >= '0' && c <= '9'); });
}

std::optional<std::string> look_up(const Node& scalar, const Piece& piece) {
  const Origin* origin = scalar.origin();
  std::optional<std::string> value;
  if (origin && origin->environment) value = origin->environment(piece.text);
  if (piece.fallback && (!value || value->empty())) return piece.fallback;
  return value;
}

// The value of an environment reference; nothing, and a problem, when it has none or may not be used here.
std::optional<std::string> value_of(const Node& scalar, const Piece& piece, bool secret, Report& report) {
  if (!secret && scalar.origin() && scalar.origin()->expansion == Expansion::secrets_only) {
    report.add(scalar, fmt::format("'${{{}}}' is expanded in secret fields only when it comes in a request: write the "
                                   "value itself, or '$${{' for a literal '${{'",
                                   printable(piece.text)));
    return std::nullopt;
  }
  auto value = look_up(scalar, piece);
  if (!value) {
    report.add(scalar, fmt::format("environment variable {} is not set: set it, or write '${{{}:-default}}'",
                                   printable(piece.text), printable(piece.text)));
  }
  return value;
}

// The variables that a field takes.
enum class Variables { none, event, columns };

std::optional<Template::Part> variable_of(const Piece& piece, Variables variables) {
  if (piece.fallback || variables == Variables::none) return std::nullopt;
  return Template::variable(variables == Variables::columns ? "after." + piece.text : piece.text);
}

// Problems that do not depend on the environment. A secret's own text is not repeated.
void refuse(const Node& scalar, const Piece& piece, bool secret, Variables variables, Report& report) {
  const bool templated = variables == Variables::event;
  if (piece.kind == Piece::Kind::unclosed) {
    report.add(scalar, "'${' without its '}': close it, or write '$${' for a literal '${'");
  } else if (templated && piece.fallback && Template::variable(piece.text)) {
    report.add(scalar, fmt::format("'${{{}}}' takes no default: only environment variables do", printable(piece.text)));
  } else if (variables == Variables::columns) {
    report.add(scalar, fmt::format("'${{{}}}' names no column: write '${{column}}' or '${{column.member}}', without a "
                                   "default",
                                   printable(piece.text)));
  } else if (templated) {
    report.add(scalar, fmt::format("'${{{}}}' is no template variable: use one of {}, or an environment variable in "
                                   "upper case",
                                   printable(piece.text), Template::kVariables));
  } else if (secret) {
    report.add(scalar, "'${...}' holds no environment name ([A-Z_][A-Z0-9_]*): write '$${' for a literal '${'");
  } else if (Template::variable(piece.text)) {
    report.add(scalar, fmt::format("'${{{}}}' is a template variable, but this field takes no template",
                                   printable(piece.text)));
  } else {
    report.add(scalar, fmt::format("'${{{}}}' is no environment name ([A-Z_][A-Z0-9_]*): write '$${{' for a literal "
                                   "'${{'",
                                   printable(piece.text)));
  }
}

void append(std::vector<Template::Part>& parts, std::string literal) {
  if (literal.empty()) return;
  if (parts.empty() || parts.back().what != Template::What::literal) {
    parts.push_back({Template::What::literal, std::move(literal), {}});
  } else {
    parts.back().text += literal;
  }
}

std::optional<std::vector<Template::Part>> expand_parts(const Node& scalar, bool secret, Variables variables,
                                                        Report& report) {
  std::vector<Template::Part> parts;
  bool good = true;
  std::size_t size = 0;
  for (Piece& piece : split_references(scalar.text())) {
    std::optional<std::string> literal;
    if (piece.kind == Piece::Kind::literal) {
      literal = std::move(piece.text);
    } else if (piece.kind == Piece::Kind::reference && is_environment_name(piece.text) &&
               (variables != Variables::columns || look_up(scalar, piece))) {
      literal = value_of(scalar, piece, secret, report);
    } else if (auto part = variable_of(piece, variables); part && piece.kind == Piece::Kind::reference) {
      parts.push_back(std::move(*part));
      continue;
    } else {
      refuse(scalar, piece, secret, variables, report);
    }
    good = good && literal;
    size += literal ? literal->size() : 0;
    if (size > kMaxExpanded) {
      report.add(scalar, fmt::format("longer than {} bytes with its environment variables", kMaxExpanded));
      return std::nullopt;
    }
    if (literal) append(parts, std::move(*literal));
  }
  if (!good) return std::nullopt;
  return parts;
}

}  // namespace

Environment process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    if (!value) return std::nullopt;
    return value;
  };
}

std::optional<std::string> expand(const Node& scalar, bool secret, Report& report) {
  auto parts = expand_parts(scalar, secret, Variables::none, report);
  if (!parts) return std::nullopt;
  return parts->empty() ? std::string() : std::move(parts->front().text);
}

std::optional<Template> expand_template(const Node& scalar, Report& report) {
  auto parts = expand_parts(scalar, false, Variables::event, report);
  if (!parts) return std::nullopt;
  return Template(std::move(*parts));
}

std::optional<Template> expand_columns(const Node& scalar, Report& report) {
  auto parts = expand_parts(scalar, false, Variables::columns, report);
  if (!parts) return std::nullopt;
  return Template(std::move(*parts));
}

std::string columns_text(const Template& of) {
  std::string text;
  for (const Template::Part& part : of.parts())
    text += part.what == Template::What::after ? "${" + part.text + "}" : Template(std::vector{part}).text();
  return text;
}

}  // namespace deltaforge::config
