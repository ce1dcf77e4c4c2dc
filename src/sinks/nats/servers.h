// The servers of a NATS sink: "nats://host:4222", "tls://host", "user:password@host", several with commas between.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "config/secret.h"

namespace deltaforge::sinks::nats {

struct Server {
  bool tls = false;
  std::string host;
  std::uint16_t port = 4222;

  std::string where() const;  // "host:port"
};

struct Servers {
  std::vector<Server> all;
  std::string user;         // of the URL; one for all
  config::Secret password;  // with user
  config::Secret token;     // a user without a password is a token
  bool has_login() const { return !user.empty() || !token.empty(); }
  bool tls() const { return all.front().tls; }
  std::string where() const;  // "a:4222, b:4222"
};

// What is wrong with it, without a word of its user part.
using UrlProblem = std::string;
std::variant<Servers, UrlProblem> parse_servers(const config::Secret&);

// Rows that go there leave this machine.
bool is_remote(const Servers&);

}  // namespace deltaforge::sinks::nats
