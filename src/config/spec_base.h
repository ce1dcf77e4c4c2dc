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

struct FieldInfo {
  std::string name;
  std::string type;           // config/read.h type_name, "choice", "map", "list of maps" or "custom"
  std::string default_value;  // JSON text; empty for required and custom fields
  std::string help;
  FieldOptions options;
  std::vector<std::string> choices;
  std::vector<FieldInfo> fields;  // of a nested struct
};

class SpecBase {
 public:
  const std::string& name() const { return name_; }
  const std::string& summary() const { return summary_; }
  std::vector<FieldInfo> fields() const;

 protected:
  struct Field {
    FieldInfo info;
    std::function<void(const Node&, void*, Report&)> read;
    std::function<void(const void*, Echo&)> echo;  // empty: not shown
  };

  SpecBase(std::string name, std::string summary) : name_(std::move(name)), summary_(std::move(summary)) {}
  // `defaults` is a default-constructed T.
  void add(Field field, const void* defaults);
  void parse_fields(const Node& node, void* object, Report& report) const;
  void echo_fields(const void* object, Echo& echo) const;

 private:
  std::string name_;
  std::string summary_;
  std::vector<Field> fields_;
};

}  // namespace deltaforge::config
