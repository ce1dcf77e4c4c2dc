#include "config/template.h"

#include <utility>

#include "base/check.h"
#include "config/references.h"

namespace deltaforge::config {
namespace {

constexpr std::pair<std::string_view, Template::What> kPlain[] = {
    {"source.table", Template::What::table},
    {"source.db", Template::What::db},
    {"source.schema", Template::What::schema},
    {"source.connector", Template::What::connector},
    {"op", Template::What::op},
    {"tenant_id", Template::What::tenant_id},
};
constexpr std::pair<std::string_view, Template::What> kImages[] = {
    {"after.", Template::What::after},
    {"before.", Template::What::before},
};

std::string_view name_of(Template::What what) {
  for (const auto& [name, known] : kPlain) {
    if (known == what) return name;
  }
  return what == Template::What::after ? "after." : "before.";
}

}  // namespace

std::optional<Template::Part> Template::variable(std::string_view name) {
  for (const auto& [known, what] : kPlain) {
    if (name == known) return Part{what, {}, {}};
  }
  for (const auto& [prefix, what] : kImages) {
    if (!name.starts_with(prefix)) continue;
    Part part{what, std::string(name.substr(prefix.size())), {}};
    std::string_view rest = part.text;
    while (true) {
      const std::size_t dot = rest.find('.');
      if (rest.substr(0, dot).empty()) return std::nullopt;
      part.path.emplace_back(rest.substr(0, dot));
      if (dot == std::string_view::npos) return part;
      rest.remove_prefix(dot + 1);
    }
  }
  return std::nullopt;
}

Template::Template(std::string_view text) {
  for (Piece& piece : split_references(text)) {
    if (piece.kind == Piece::Kind::literal) {
      parts_.push_back({What::literal, std::move(piece.text), {}});
      continue;
    }
    auto part = piece.fallback ? std::nullopt : variable(piece.text);
    DF_CHECK(part, "a template in the code names no known variable");
    parts_.push_back(std::move(*part));
  }
}

std::string Template::text() const {
  std::string out;
  for (const Part& part : parts_) {
    if (part.what != What::literal) {
      ((out += "${") += name_of(part.what)) += part.text + "}";
      continue;
    }
    for (std::size_t i = 0; i < part.text.size(); ++i) {
      if (part.text.compare(i, 2, "${") == 0) out += '$';
      out += part.text[i];
    }
  }
  return out;
}

}  // namespace deltaforge::config
