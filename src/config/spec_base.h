// The untyped half of Spec<T> (config/spec.h): the list of fields, and what is done with it.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "config/echo.h"
#include "config/node.h"
#include "config/read.h"
#include "config/report.h"

namespace deltaforge::config {

struct FieldInfo;
struct Variant;

// What may be written in one place.
struct Shape {
  // config/read.h type_name, "choice", "map", "list of maps"; "custom" for what has a reader of its own, until
  // Spec::shaped() says more: "text or map" (by `pattern` or the bare name of a variant, or as its map), "nothing".
  std::string type;
  std::vector<std::string> choices = {};
  std::string pattern = {};   // of the text in "text or map"
  std::string map_name = {};  // of maps: what a schema calls them
  std::string map_summary = {};
  std::vector<FieldInfo> fields;  // of a map
  std::vector<Variant> variants;  // of maps that are told apart by their `type`
};

struct FieldInfo : Shape {
  std::string name;
  std::string default_value;  // JSON text; empty for required fields, and custom ones that cannot be shown
  std::string help;
  FieldOptions options;
};

struct Variant {
  std::string type;
  std::string summary;
  std::vector<FieldInfo> fields;  // beside `type`, which may be among them
};

class SpecBase {
 public:
  const std::string& name() const { return name_; }
  const std::string& summary() const { return summary_; }
  std::vector<FieldInfo> fields() const;
  // Of one such map, or with another `type` of several.
  Shape shape(std::string type = "map") const;

 protected:
  struct Field {
    FieldInfo info;
    std::function<void(const Node&, void*, Report&)> read;
    std::function<void(const void*, Echo&)> echo;  // empty: not shown
  };

  SpecBase(std::string name, std::string summary) : name_(std::move(name)), summary_(std::move(summary)) {}
  // `defaults` is a default-constructed T.
  void add(Field field, const void* defaults);
  // Says what the field declared last looks like.
  void reshape(Shape shape);
  void parse_fields(const Node& node, void* object, Report& report) const;
  void echo_fields(const void* object, Echo& echo) const;

 private:
  std::string name_;
  std::string summary_;
  std::vector<Field> fields_;
};

}  // namespace deltaforge::config
