// The configuration of a Redis sink, and its rules over several fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/sink_fields.h"
#include "config/spec.h"
#include "config/tls.h"
#include "encode/format_config.h"
#include "sinks/redis/uri.h"

namespace deltaforge::sinks::redis {

// Under which name the payload stands in an entry; `df-event` is that of older consumers.
enum class PayloadField { event, df_event, both };

struct Config : config::HoldLimits {
  std::string id;
  config::Secret uri;
  config::Template stream;
  std::optional<config::Template> key;
  encode::EnvelopeConfig envelope;
  encode::EncodingConfig encoding;
  std::optional<config::SinkFilter> filter;
  bool required = true;
  bool exactly_once = false;
  PayloadField payload_field = PayloadField::event;
  std::optional<std::int64_t> maxlen;
  bool maxlen_exact = false;
  std::int64_t send_timeout_secs = 5;
  std::int64_t batch_timeout_secs = 30;
  std::int64_t connect_timeout_secs = 10;
  std::optional<config::Tls> tls;

  static const config::Spec<Config>& spec();
  void check(const config::Node& node, config::Report& report) const;
  // Only of a configuration that was checked.
  Target target() const;
};

}  // namespace deltaforge::sinks::redis
