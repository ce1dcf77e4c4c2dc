#include "encode/destination.h"

#include <utility>

#include <fmt/format.h>

namespace deltaforge::encode {
namespace {
constexpr std::size_t kLongest = 64 * 1024;
}

std::string_view destination_problem(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (name.size() >= kLongest) return "it is longer than 64 KiB";
  for (const char c : name) {
    const auto code = static_cast<unsigned char>(c);
    if (code < ' ' || code == 0x7f) return "it has a control character";
    if (c == ' ') return "it has a blank";
    if (c == '*' || c == '>') return "it has a wildcard, '*' or '>'";
  }
  if (name.front() == '.' || name.back() == '.' || name.find("..") != std::string_view::npos)
    return "it has an empty part: a '.' at its beginning or end, or two in a row";
  return {};
}

std::string_view template_problem(const config::Template& text) {
  return text.empty() ? std::string_view() : destination_problem(shape_of(text));
}

std::string shape_of(const config::Template& text) {
  std::string shape;
  for (const auto& part : text.parts()) shape += part.what == config::Template::What::literal ? part.text : "x";
  return shape;
}

Destination::Destination(const config::Template& text, std::string tenant, std::string field)
    : template_(text, std::move(tenant)), field_(std::move(field)) {
  if (text.is_static() && !text.empty()) fixed_ = text.parts()[0].text;
}

std::string Destination::append(const Event& event, Slab& out) const {
  const std::size_t before = out.size();
  const bool routed = event.extra != nullptr && event.extra->topic.has_value();
  if (routed) {
    out.append(*event.extra->topic);
  } else if (is_static()) {
    out.append(fixed_);
    return {};
  } else if (const std::string_view missing = template_.append(event, out); !missing.empty()) {
    return fmt::format("the event has no value for {} in `{}`", missing, field_);
  }
  const std::string_view problem = destination_problem(out.view(before, out.size() - before));
  if (problem.empty()) [[likely]]
    return {};
  out.truncate(before);
  return routed ? fmt::format("the `{}` that a processor gave it is refused: {}", field_, problem)
                : fmt::format("what the variables in `{}` give is refused: {}", field_, problem);
}

std::string Destination::name(const Event& event) const {
  Slab text;
  if (!append(event, text).empty()) return fixed_;
  return std::string(text.view());
}

}  // namespace deltaforge::encode
