// Metrics of the Kafka client, from the statistics that librdkafka makes every 10 s. Lane thread.
#pragma once

#include <string>
#include <string_view>

#include "obs/metrics.h"

namespace deltaforge::sinks::kafka {

// What is read from one statistics document.
struct ClientStatistics {
  double queue_messages = 0, queue_bytes = 0;
  double retries = 0;  // since the client was made, all brokers
};
ClientStatistics read_statistics(std::string_view json);

class Probe {
 public:
  Probe(const std::string& pipeline, const std::string& sink);
  ~Probe();
  void statistics(std::string_view json);

 private:
  obs::Counter retries_;
  obs::Gauge queue_messages_, queue_bytes_;
  double seen_retries_ = 0;
};

}  // namespace deltaforge::sinks::kafka
