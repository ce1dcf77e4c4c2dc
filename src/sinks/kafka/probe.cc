#include "sinks/kafka/probe.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace deltaforge::sinks::kafka {
namespace {

// The sum of all numbers under this member name, anywhere in the document: a few names of a 10 KB text do not need a
// parser. `once`: only the first.
double number(std::string_view json, std::string_view member, bool once) {
  double sum = 0;
  for (std::size_t at = 0; (at = json.find(member, at)) != std::string_view::npos;) {
    at += member.size();
    std::int64_t value = 0;
    std::from_chars(json.data() + at, json.data() + json.size(), value);
    sum += static_cast<double>(value);
    if (once) break;
  }
  return sum;
}

}  // namespace

ClientStatistics read_statistics(std::string_view json) {
  return {number(json, "\"msg_cnt\":", true), number(json, "\"msg_size\":", true),
          number(json, "\"txretries\":", false)};
}

Probe::Probe(const std::string& pipeline, const std::string& sink) {
  obs::Metrics& metrics = obs::Metrics::instance();
  obs::Labels labels{{"pipeline", pipeline}, {"sink", sink}};
  retries_ = metrics.counter("deltaforge_kafka_produce_retries_total", labels);
  queue_messages_ = metrics.gauge("deltaforge_kafka_producer_queue_messages", labels);
  queue_bytes_ = metrics.gauge("deltaforge_kafka_producer_queue_bytes", labels);
}

Probe::~Probe() {
  queue_messages_.set(0);
  queue_bytes_.set(0);
}

void Probe::statistics(std::string_view json) {
  ClientStatistics now = read_statistics(json);
  queue_messages_.set(now.queue_messages);
  queue_bytes_.set(now.queue_bytes);
  retries_.add(std::max(0.0, now.retries - seen_retries_));
  seen_retries_ = now.retries;
}

}  // namespace deltaforge::sinks::kafka
