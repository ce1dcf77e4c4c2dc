#include "sinks/nats/config.h"

#include <algorithm>
#include <string_view>
#include <variant>

#include "sinks/nats/subject.h"

namespace deltaforge::sinks::nats {
namespace {

bool is_stream_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && std::ranges::none_of(name, [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || std::string_view(".*>/\\\x7f").find(c) != std::string_view::npos;
  });
}

}  // namespace

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("nats",
                              "Publishes change events to a NATS JetStream stream, at least once and in order.");
    spec.field("id", &Config::id, "Name used for checkpoints and metrics.", {.min = 1})
        .field("url", &Config::url, "Server, `nats://host:4222`; several with commas between; `tls://` with TLS.",
               {.required = true})
        .field("subject", &Config::subject, "Subject to publish to; may hold variables.", {.required = true, .min = 1})
        .field("stream", &Config::stream,
               "JetStream stream that must take the events. Without it: any that captures the subject.")
        .field("key", &Config::key, "Header `df-key` of a message; without it the primary key of the row.");
    encode::add_format_fields(spec)
        .field("required", &Config::required, "Whether checkpoints wait for this sink.")
        .field("exactly_once", &Config::exactly_once, "Keeps the position in the stream. Not in this build.")
        .field("send_timeout_secs", &Config::send_timeout_secs,
               "Time without any acknowledgement while one is due, before a new connection is made.",
               {.min = 1, .max = 900})
        .field("batch_timeout_secs", &Config::batch_timeout_secs,
               "Time without an acknowledgement for any row of the oldest batch, before a new connection is made.",
               {.min = 1, .max = 3600})
        .field("connect_timeout_secs", &Config::connect_timeout_secs, "Time to connect and log in, for each server.",
               {.min = 1, .max = 300})
        .field("credentials_file", &Config::credentials_file, "File with the JWT and the seed of a user (`.creds`).")
        .field("username", &Config::username, "User, with `password`.")
        .field("password", &Config::password, "Password of `username`.")
        .field("token", &Config::token, "Token, for servers that ask for one.")
        .field("nkey", &Config::nkey, "File with the seed of an NKey (`SU...`).")
        .nested("tls", &Config::tls, "Encrypts the connection.");
    return config::add_sink_fields(spec);
  }();
  return s;
}

void Config::check(const config::Node& node, config::Report& report) const {
  bool in_url = false;
  if (!url.empty()) {
    const auto parsed = parse_servers(url);
    if (const auto* problem = std::get_if<UrlProblem>(&parsed))
      report.add(node, "url", "no valid NATS URL: " + *problem);
    else
      in_url = std::get<Servers>(parsed).has_login();
  }
  if (const std::string problem = template_problem(subject); !problem.empty()) report.add(node, "subject", problem);
  if (stream && !is_stream_name(*stream))
    report.add(node, "stream", "no valid name of a stream: it has no blanks, '.', '*', '>', '/' or '\\'");
  if (exactly_once)
    report.add(node, "exactly_once", "not in this build: exactly_once for nats; leave it out for at-least-once");

  if (username.empty() != password.empty())
    report.add(node, "username and password belong together: give both or none");
  const int logins = static_cast<int>(!credentials_file.empty()) + static_cast<int>(!username.empty()) +
                     static_cast<int>(!token.empty()) + static_cast<int>(!nkey.empty()) + static_cast<int>(in_url);
  if (logins > 1)
    report.add(node,
               "more than one way to log in: give one of credentials_file, username and password, token, nkey, or a "
               "user in url");
}

Servers Config::servers() const { return std::get<Servers>(parse_servers(url)); }

}  // namespace deltaforge::sinks::nats
