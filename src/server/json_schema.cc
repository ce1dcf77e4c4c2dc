#include "server/json_schema.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "server/document.h"

namespace deltaforge::server {
namespace {

using config::FieldInfo;
using config::Shape;
using config::Variant;
using Json = nlohmann::ordered_json;

Json refers_to(const std::string& definition) { return {{"$ref", "#/$defs/" + definition}}; }

// What the value of a `${NAME}` is, nobody knows before it is read.
Json or_variable(const Json& schema) { return {{"anyOf", {schema, refers_to("variable")}}}; }

std::string name_of(std::string type) {
  std::ranges::replace(type, ' ', '-');
  return type;
}

// A list of maps, or one.
bool is_list(const Shape& shape) { return shape.type.starts_with("list of "); }
bool is_map(const Shape& shape) { return shape.type == "map" || shape.type == "list of maps"; }

class Writer {
 public:
  Writer() {
    definitions_["variable"] = {{"description", "Taken from the environment: ${NAME} or ${NAME:-default}."},
                                {"type", "string"},
                                {"pattern", R"(\$\{[A-Z_][A-Z0-9_]*(:-|\}))"}};
    // A number or a boolean is as good as the text of it. Null is the same as a field that is left out.
    const Json text{{"type", {"string", "number", "boolean", "null"}}};
    for (const char* type : {"string", "secret", "template", "table-pattern"}) definitions_[type] = text;
    definitions_["operand"] = {{"anyOf", {text, {{"type", "array"}, {"items", text}}}}};
    const auto number = [&](const char* type, const char* title, Json more) {
      more["type"] = {title, "null"};
      definitions_[type] = or_variable(more);
    };
    number("boolean", "boolean", Json::object());
    number("integer", "integer", Json::object());
    number("number", "number", Json::object());
    number("milliseconds", "integer", {{"minimum", 0}});
    number("bytes", "integer", {{"minimum", 0}});
    const auto list = [&](const char* type, const char* item) {
      definitions_[type] = {{"type", {"array", "null"}}, {"items", given(refers_to(item))}};
    };
    list("list-of-strings", "string");
    list("list-of-table-patterns", "table-pattern");
    definitions_["map-of-strings"] = {{"type", {"object", "null"}},
                                      {"additionalProperties", given(refers_to("string"))}};
  }

  Json map_of(const std::vector<FieldInfo>& fields) {
    Json properties = Json::object(), required = Json::array();
    for (const FieldInfo& field : fields) {
      properties[field.name] = property(field);
      if (field.options.required) required.push_back(field.name);
    }
    Json map{{"type", "object"}, {"properties", properties}};
    if (!required.empty()) map["required"] = required;
    map["additionalProperties"] = false;
    return map;
  }

  Json take_definitions() { return std::move(definitions_); }

 private:
  static Json given(Json schema) {
    schema["not"] = {{"type", "null"}};
    return schema;
  }

  Json property(const FieldInfo& field) {
    Json schema = any_of(field);
    bound(schema, field);
    if (field.options.required) schema = given(std::move(schema));
    schema["description"] = field.help;
    const bool told = !field.default_value.empty() && field.default_value != "null" && field.default_value != "\"\"";
    if (told && !is_map(field)) schema["default"] = Json::parse(field.default_value);
    return schema;
  }

  // The type alone: where it stands adds the rest.
  Json any_of(const Shape& shape) {
    if (shape.type == "nothing") return {{"type", "null"}};
    if (shape.type == "choice") return or_variable({{"enum", with_null(shape.choices)}});
    if (shape.type == "text or map") return refers_to(text_or_map(shape));
    if (shape.type == "map") return or_null(refers_to(map(shape)));
    if (shape.type == "list of maps") {
      Json list{{"type", {"array", "null"}}};
      if (shape.fields.empty() && shape.variants.empty())
        list["maxItems"] = 0;  // of a kind that has no types in this build
      else
        list["items"] = refers_to(map(shape));
      return list;
    }
    std::string type = name_of(shape.type);
    DF_CHECK(definitions_.contains(type), "a field of the configuration has a type that no schema describes");
    return refers_to(type);
  }

  static Json or_null(Json schema) { return {{"anyOf", {std::move(schema), {{"type", "null"}}}}}; }
  static Json with_null(const std::vector<std::string>& choices) {
    Json all = choices;
    all.push_back(nullptr);
    return all;
  }

  static void bound(Json& schema, const FieldInfo& field) {
    const auto number = [](double value) {
      return value == std::floor(value) ? Json(static_cast<std::int64_t>(value)) : Json(value);
    };
    const auto [min, max] = [&]() -> std::pair<const char*, const char*> {
      if (is_list(field)) return {"minItems", "maxItems"};
      if (field.type == "map of strings") return {"minProperties", "maxProperties"};
      if (field.type == "string" || field.type == "secret" || field.type == "template")
        return {"minLength", "maxLength"};
      return {"minimum", "maximum"};
    }();
    std::optional<double> least = field.options.min;
    if (!least && field.options.required && min != std::string_view("minimum") && !is_map(field)) least = 1;
    if (least) schema[min] = number(*least);
    // The name of a variable may be longer than its value.
    if (field.options.max && max == std::string_view("maxLength"))
      schema["anyOf"] = {{{max, number(*field.options.max)}}, refers_to("variable")};
    else if (field.options.max)
      schema[max] = number(*field.options.max);
  }

  // The definition of a map, made when it is not there yet. Returns its name.
  std::string map(const Shape& shape) {
    Json definition;
    if (shape.variants.empty())
      definition = map_of(shape.fields);
    else
      definition = told_apart(shape);
    if (!shape.map_summary.empty()) definition["description"] = shape.map_summary;
    return define(shape.map_name, definition);
  }

  // By `type`: its own fields, and no others.
  Json told_apart(const Shape& shape) {
    Json types = Json::array(), branches = Json::array();
    for (const Variant& variant : shape.variants) {
      std::vector<FieldInfo> fields{{{"choice", {variant.type}}, "type", {}, variant.summary, {.required = true}}};
      for (const FieldInfo& field : variant.fields)
        if (field.name != "type") fields.push_back(field);
      types.push_back(variant.type);
      Json definition = map_of(fields);
      definition["description"] = variant.summary;
      Json then = refers_to(define(shape.map_name + "." + variant.type, definition));
      branches.push_back(
          {{"if", {{"required", {"type"}}, {"properties", {{"type", {{"const", variant.type}}}}}}}, {"then", then}});
    }
    Json type = or_variable({{"enum", types}});
    type["description"] = "Which one.";
    return {{"type", "object"}, {"required", {"type"}}, {"properties", {{"type", type}}}, {"allOf", branches}};
  }

  std::string text_or_map(const Shape& shape) {
    Json forms = Json::array();
    if (!shape.pattern.empty()) forms.push_back({{"type", "string"}, {"pattern", shape.pattern}});
    Json names = Json::array();
    for (const Variant& variant : shape.variants) {
      const bool needs_more = std::ranges::any_of(
          variant.fields, [](const FieldInfo& field) { return field.name != "type" && field.options.required; });
      if (!needs_more) names.push_back(variant.type);
    }
    if (!names.empty()) forms.push_back({{"enum", names}});
    Shape map_alone = shape;
    map_alone.map_name += ".map";
    forms.push_back(refers_to(map(map_alone)));
    forms.push_back(refers_to("variable"));
    forms.push_back({{"type", "null"}});
    return define(shape.map_name, {{"anyOf", forms}});
  }

  std::string define(const std::string& name, const Json& definition) {
    DF_CHECK(!name.empty(), "a map of the configuration has no name");
    auto known = definitions_.find(name);
    DF_CHECK(known == definitions_.end() || *known == definition, "two maps of the configuration have one name");
    definitions_[name] = definition;
    return name;
  }

  Json definitions_ = Json::object();
};

}  // namespace

std::string json_schema(const Catalogue& catalogue) {
  Writer writer;
  const Shape document = document_shape(catalogue);
  Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
              {"title", "DeltaForge pipeline"},
              {"description", document.map_summary}};
  Json map = writer.map_of(document.fields);
  // `storage` may be all that a document holds.
  Json pipeline{{"required", std::move(map["required"])}};
  map.erase("required");
  schema.update(map);
  schema["anyOf"] = {std::move(pipeline), {{"required", {"storage"}}, {"maxProperties", 1}}};
  schema["$defs"] = writer.take_definitions();
  return schema.dump(2) + "\n";
}

}  // namespace deltaforge::server
