// The configuration of an HTTP sink, and its rules over several fields.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/sink_fields.h"
#include "config/spec.h"
#include "config/tls.h"
#include "encode/format_config.h"

namespace deltaforge::sinks::http {

enum class Method { post, put, patch };
const char* to_string(Method);

struct Url {
  config::Template text;
  bool by_request = false;  // it came with a request to the API, not out of a file of the operator
};

struct Signature {
  config::Secret secret;
  std::string header = "df-signature";

  static const config::Spec<Signature>& spec();
};

struct Config : config::HoldLimits {
  std::string id;
  Url url;
  Method method = Method::post;
  std::map<std::string, config::Secret> headers;
  bool batch_mode = false;
  std::optional<config::Template> key;
  encode::EnvelopeConfig envelope;
  encode::EncodingConfig encoding;
  std::optional<config::SinkFilter> filter;
  bool required = true;
  std::int64_t send_timeout_secs = 10;
  std::int64_t batch_timeout_secs = 30;
  std::int64_t connect_timeout_secs = 5;
  std::optional<config::Tls> tls;
  std::optional<Signature> signature;
  std::vector<std::string> allow_hosts;

  static const config::Spec<Config>& spec();
  void check(const config::Node& node, config::Report& report) const;
  // Whether a connection may only go to a public address: who writes the host must not reach our own network with it.
  bool guards_addresses() const;
};

}  // namespace deltaforge::sinks::http
