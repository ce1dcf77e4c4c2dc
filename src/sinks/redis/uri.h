// The connection string: redis://user:password@host:6379/0, rediss:// with TLS. User and password are
// percent-encoded; a host may stand in brackets (IPv6). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "config/secret.h"

namespace deltaforge::sinks::redis {

struct Target {
  bool tls = false;
  std::string user;  // empty: the user `default`
  config::Secret password;
  std::string host = "localhost";
  std::uint16_t port = 6379;
  std::uint32_t database = 0;

  std::string where() const;  // "host:port"
};

// What is wrong with it, without a word of its user part.
using UriProblem = std::string;
std::variant<Target, UriProblem> parse_uri(const config::Secret&);

}  // namespace deltaforge::sinks::redis
