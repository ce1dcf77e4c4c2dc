// The configuration of a Kafka sink, and its rules over several fields.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/sink_fields.h"
#include "config/spec.h"
#include "config/tls.h"
#include "encode/format_config.h"

namespace deltaforge::sinks::kafka {

enum class Headers { none, standard };

// As Kafka takes it.
bool is_topic_name(std::string_view name);

struct Config : config::HoldLimits {
  std::string id;
  std::string brokers;
  config::Template topic;
  std::optional<config::Template> key;
  encode::EnvelopeConfig envelope;
  encode::EncodingConfig encoding;
  std::optional<config::SinkFilter> filter;
  bool required = true;
  bool exactly_once = false;
  std::int64_t send_timeout_secs = 30;
  std::map<std::string, std::string> client_conf;
  Headers headers = Headers::none;
  std::optional<config::Tls> tls;

  static const config::Spec<Config>& spec();
  void check(const config::Node& node, config::Report& report) const;
};

}  // namespace deltaforge::sinks::kafka
