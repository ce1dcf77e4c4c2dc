#include "config/spec_base.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "config/wording.h"

namespace deltaforge::config {

std::vector<FieldInfo> SpecBase::fields() const {
  std::vector<FieldInfo> infos;
  for (const Field& field : fields_) infos.push_back(field.info);
  return infos;
}

Shape SpecBase::shape(std::string type) const {
  return {.type = std::move(type), .map_name = name_, .map_summary = summary_, .fields = fields()};
}

void SpecBase::reshape(Shape shape) {
  DF_CHECK(!fields_.empty(), "there is no field to describe");
  static_cast<Shape&>(fields_.back().info) = std::move(shape);
}

void SpecBase::add(Field field, const void* defaults) {
  const bool known = std::any_of(fields_.begin(), fields_.end(),
                                 [&](const Field& other) { return other.info.name == field.info.name; });
  DF_CHECK(!known, "a Spec declares a field twice");
  if (field.echo && !field.info.options.required) {
    Echo echo;
    field.echo(defaults, echo);
    field.info.default_value = echo.text();
  }
  fields_.push_back(std::move(field));
}

void SpecBase::parse_fields(const Node& node, void* object, Report& report) const {
  if (!node.is_map() && !node.is_null()) {
    report.add(node, fmt::format("expected a map of fields, found {}", to_string(node.kind())));
    return;
  }
  std::vector<std::string> names;
  for (const Field& field : fields_) names.push_back(field.info.name);
  for (const Node& child : node.children()) {
    const auto at = std::find(names.begin(), names.end(), child.key());
    if (at == names.end()) {
      report.add(Problem{child.file(), child.key_place(), child.path(),
                         "unknown field" + did_you_mean(child.key(), names, ", the fields are: " + join(names))});
    } else if (!child.is_null()) {
      fields_[static_cast<std::size_t>(at - names.begin())].read(child, object, report);
    }
  }
  for (const Field& field : fields_) {
    if (!field.info.options.required) continue;
    const Node* given = node.find(field.info.name);
    if (!given) report.add(node, field.info.name, "required field is missing: " + field.info.help);
    if (given && given->is_null()) report.add(*given, "required field has no value: " + field.info.help);
  }
}

void SpecBase::echo_fields(const void* object, Echo& echo) const {
  echo.begin_map();
  for (const Field& field : fields_) {
    if (!field.echo) continue;
    echo.key(field.info.name);
    field.echo(object, echo);
  }
  echo.end_map();
}

}  // namespace deltaforge::config
