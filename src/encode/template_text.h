// Fills in a destination or key with variables (config::Template) for one event. Text is written as it is,
// numbers and booleans as text, objects and arrays as JSON. No heap call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/slab.h"
#include "config/template.h"
#include "core/event.h"
#include "encode/field.h"

namespace deltaforge::encode {

class TemplateText {
 public:
  // `tenant` is that of the pipeline; empty: none.
  TemplateText(const config::Template&, std::string tenant);

  bool is_static() const { return is_static_; }
  // Appends the text. Returns the variable that the event has no value for, as it is written ("${after.region}"), and
  // `out` is then as before; or "".
  std::string_view append(const Event&, Slab& out) const;

 private:
  struct Part {
    config::Template::Part of;
    std::string written;  // as it stands in the configuration
    FieldPath field;      // of before and after
  };

  bool append_part(const Part&, const Event&, Slab& out) const;

  std::vector<Part> parts_;
  std::string tenant_;
  bool is_static_;
};

}  // namespace deltaforge::encode
