// The key of an event as a sink is told to write it: the one that a processor gave it, a template, or the row's own
// key, which also stands for a template that the event has no value for. One object per sink; its lane's thread only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/slab.h"
#include "config/template.h"
#include "core/event.h"
#include "core/sink.h"
#include "encode/template_text.h"

namespace deltaforge::encode {

class KeyWriter {
 public:
  KeyWriter(const std::optional<config::Template>&, const SinkContext&, std::string sink);

  // Appends the key. Returns why there is none (`out` is then as before), or "".
  std::string_view append(const Event&, Slab& out);

 private:
  void tell(std::string_view missing);

  std::optional<TemplateText> template_;
  const std::string pipeline_, sink_;
  bool told_ = false;
};

}  // namespace deltaforge::encode
