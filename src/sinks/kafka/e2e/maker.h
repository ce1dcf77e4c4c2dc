// Sinks from configuration text, as a pipeline makes them.
#pragma once

#include <string>

#include "sinks/kafka/kafka.h"
#include "sinks/testing/maker.h"

namespace deltaforge::sinks::kafka::e2e {

inline SinkMaker maker(const std::string& brokers, const std::string& topic, const std::string& more = "") {
  return testing::maker_of("kafka", add, "id: k\nbrokers: " + brokers + "\ntopic: " + topic + "\n" + more);
}

inline constexpr const char* kScram =
    "client_conf:\n  security.protocol: SASL_PLAINTEXT\n  sasl.mechanism: SCRAM-SHA-256\n  sasl.username: app\n"
    "  sasl.password: ";

}  // namespace deltaforge::sinks::kafka::e2e
