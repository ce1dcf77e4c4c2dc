// The configuration of a NATS sink, and its rules over several fields.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "config/sink_fields.h"
#include "config/spec.h"
#include "config/tls.h"
#include "encode/format_config.h"
#include "sinks/nats/servers.h"

namespace deltaforge::sinks::nats {

struct Config : config::HoldLimits {
  std::string id;
  config::Secret url;
  config::Template subject;
  std::optional<std::string> stream;
  std::optional<config::Template> key;
  encode::EnvelopeConfig envelope;
  encode::EncodingConfig encoding;
  std::optional<config::SinkFilter> filter;
  bool required = true;
  bool exactly_once = false;
  std::int64_t send_timeout_secs = 5;
  std::int64_t batch_timeout_secs = 30;
  std::int64_t connect_timeout_secs = 10;
  std::string credentials_file;
  std::string username;
  config::Secret password;
  config::Secret token;
  std::string nkey;
  std::optional<config::Tls> tls;
  // Outlives the objects that the lane makes after failures.
  struct Memory {
    std::atomic<bool> said_core{false};       // the log says that it is at most once
    std::atomic<std::size_t> next_server{0};  // of `url`, tried first: with the one before it something went wrong
  };
  std::shared_ptr<Memory> memory = std::make_shared<Memory>();

  static const config::Spec<Config>& spec();
  void check(const config::Node& node, config::Report& report) const;
  // Only of a configuration that was checked.
  Servers servers() const;
};

}  // namespace deltaforge::sinks::nats
