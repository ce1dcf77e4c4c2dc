// The topic or stream of an event: what a processor gave it, else what the sink's configuration says. A name made of a
// row's values is a stranger's: it must not be a pattern, another system's topic, or text that a log shows as something
// else. One object per sink; its lane's thread only.
#pragma once

#include <string>
#include <string_view>

#include "base/slab.h"
#include "config/template.h"
#include "core/event.h"
#include "encode/template_text.h"

namespace deltaforge::encode {

class Destination {
 public:
  // `field` of the configuration holds `text`.
  Destination(const config::Template& text, std::string tenant, std::string field);

  // Whether this event goes where the configuration alone says.
  bool is_fixed(const Event& event) const {
    return is_static() && (event.extra == nullptr || !event.extra->topic.has_value());
  }
  bool is_static() const { return template_.is_static(); }
  // Of a static one.
  const std::string& fixed() const { return fixed_; }
  // Appends the name. Returns why the event has none (`out` is then as before), or "".
  std::string append(const Event&, Slab& out) const;
  // For messages.
  std::string name(const Event&) const;

 private:
  TemplateText template_;
  std::string field_, fixed_;
};

// Why such a name is refused when it was made of an event: it is empty or longer than 64 KiB, has a control character,
// a blank, a wildcard or an empty part. Empty: it is not.
std::string_view destination_problem(std::string_view name);

// Why no event can get a name from `text` that is not refused, whatever its variables give, or "".
std::string_view template_problem(const config::Template& text);

// What a template gives when each of its variables is one letter.
std::string shape_of(const config::Template&);

}  // namespace deltaforge::encode
