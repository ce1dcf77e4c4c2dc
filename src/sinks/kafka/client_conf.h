// From the sink's configuration to librdkafka's properties. What the sink's promises rest on (acknowledgement by all
// replicas, order, retry for ever) cannot be changed by `client_conf`. Pure: no network, no thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sinks/kafka/config.h"
#include "sinks/kafka/limits.h"

namespace deltaforge::sinks::kafka {

struct ConfProblem {
  std::string key;  // the property of client_conf
  std::string message;
};
std::vector<ConfProblem> check_client_conf(const Config&);

// What the client is given, in this order.
using Settings = std::vector<std::pair<std::string, std::string>>;
Settings client_settings(const Config&);

// Properties that are accepted but not used as they are, for one line of the log each.
std::vector<std::string> client_conf_notes(const Config&);

// `message.timeout.ms` of client_conf: messages never expire, but the pipeline is shown as degraded after this time.
std::chrono::milliseconds patience(const Config&);

// Largest record that the user allows (`message.max.bytes`), 0: not said.
std::size_t wanted_max_record(const Config&);

// Largest record batch: what `batch.size` says, but never more than the topic surely takes.
std::size_t batch_size(const Config&, const Limits&);

// Texts that no log line or error may hold.
std::vector<std::string> secret_values(const Config&);

// Whether passwords or rows would cross a network in plain text.
bool plain_over_network(const Config&);

}  // namespace deltaforge::sinks::kafka
