// A sink from configuration text, as a pipeline makes it.
#pragma once

#include <stdexcept>
#include <string>

#include "config/parse.h"
#include "core/component.h"

namespace deltaforge::sinks::testing {

// `add` puts the component into a catalogue; `text` is the YAML of its `config`.
inline SinkMaker maker_of(const std::string& type, void (*add)(Catalogue&), const std::string& text) {
  Catalogue catalogue;
  add(catalogue);
  config::Report report;
  auto documents = config::parse(text, "test.yaml", report);
  SinkMaker made = catalogue.sinks.check(type, documents.at(0).root, report);
  if (!report.ok()) throw std::runtime_error(report.text());
  return made;
}

}  // namespace deltaforge::sinks::testing
