// Fills in a destination or key with variables (config::Template) for one event. Text is written as it is,
// numbers and booleans as text, objects and arrays as JSON. No heap call.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/slab.h"
#include "config/template.h"
#include "core/event.h"

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
  bool append_part(const config::Template::Part&, const Event&, Slab& out) const;

  std::vector<std::pair<config::Template::Part, std::string>> parts_;  // and how each is written
  std::string tenant_;
  bool is_static_;
};

}  // namespace deltaforge::encode
