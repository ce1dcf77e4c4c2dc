// Sinks from configuration text, as a pipeline makes them.
#pragma once

#include <stdexcept>
#include <string>

#include "config/parse.h"
#include "core/component.h"
#include "sinks/redis/redis.h"

namespace deltaforge::sinks::redis::e2e {

inline SinkMaker maker(const std::string& uri, const std::string& stream, const std::string& more = "") {
  Catalogue catalogue;
  add(catalogue);
  config::Report report;
  auto documents = config::parse("id: r\nuri: " + uri + "\nstream: \"" + stream + "\"\n" + more, "test.yaml", report);
  SinkMaker made = catalogue.sinks.check("redis", documents.at(0).root, report);
  if (!report.ok()) throw std::runtime_error(report.text());
  return made;
}

}  // namespace deltaforge::sinks::redis::e2e
