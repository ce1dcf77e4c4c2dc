// Sinks from configuration text, as a pipeline makes them.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "config/parse.h"
#include "core/component.h"
#include "sinks/kafka/kafka.h"

namespace deltaforge::sinks::kafka::e2e {

inline SinkMaker maker(const std::string& brokers, const std::string& topic, const std::string& more = "") {
  Catalogue catalogue;
  add(catalogue);
  config::Report report;
  auto documents = config::parse("id: k\nbrokers: " + brokers + "\ntopic: " + topic + "\n" + more, "test.yaml", report);
  SinkMaker made = catalogue.sinks.check("kafka", documents.at(0).root, report);
  if (!report.ok()) throw std::runtime_error(report.text());
  return made;
}

inline constexpr const char* kScram =
    "client_conf:\n  security.protocol: SASL_PLAINTEXT\n  sasl.mechanism: SCRAM-SHA-256\n  sasl.username: app\n"
    "  sasl.password: ";

}  // namespace deltaforge::sinks::kafka::e2e
