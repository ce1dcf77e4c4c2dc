#include "sinks/redis/config.h"

#include <variant>

#include <fmt/format.h>

#include "encode/destination.h"

namespace deltaforge::sinks::redis {

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("redis", "Appends change events to a Redis stream, at least once and in order.");
    spec.field("id", &Config::id, "Name used for checkpoints and metrics.", {.min = 1})
        .field("uri", &Config::uri, "`redis://user:password@host:6379/0`; `rediss://` with TLS.", {.required = true})
        .field("stream", &Config::stream, "Key of the stream to append to; may hold variables.",
               {.required = true, .min = 1})
        .field("key", &Config::key, "Field `df-key` of an entry; without it the primary key of the row.");
    encode::add_format_fields(spec)
        .field("required", &Config::required, "Whether checkpoints wait for this sink.")
        .field("exactly_once", &Config::exactly_once, "Keeps the position in Redis. Not in this build.")
        .choice("payload_field", &Config::payload_field,
                "Name of the field with the event; `both` writes it twice, for consumers that still read df-event.",
                {{"event", PayloadField::event}, {"df-event", PayloadField::df_event}, {"both", PayloadField::both}})
        .field("maxlen", &Config::maxlen, "Entries that a stream keeps; older ones are trimmed. Without it: all.",
               {.min = 1})
        .field("maxlen_exact", &Config::maxlen_exact, "Trim to exactly `maxlen`; slower than about that many.")
        .field("send_timeout_secs", &Config::send_timeout_secs,
               "Time that the server may be silent while an answer is due, before a new connection is made.",
               {.min = 1, .max = 900})
        .field("batch_timeout_secs", &Config::batch_timeout_secs,
               "Time that one MULTI/EXEC may take, before a new connection is made.", {.min = 1, .max = 3600})
        .field("connect_timeout_secs", &Config::connect_timeout_secs, "Time to connect and log in.",
               {.min = 1, .max = 300})
        .nested("tls", &Config::tls, "Files and checks of TLS; only with rediss://.");
    return config::add_sink_fields(spec);
  }();
  return s;
}

void Config::check(const config::Node& node, config::Report& report) const {
  if (!uri.empty()) {
    const auto parsed = parse_uri(uri);
    if (const auto* problem = std::get_if<UriProblem>(&parsed))
      report.add(node, "uri", "no valid Redis URI: " + *problem);
    else if (tls && !std::get<Target>(parsed).tls)
      report.add(node, "tls", "the uri begins with redis://, which is plain text; write rediss://");
  }
  // A fixed name is the operator's own choice.
  if (const auto problem = encode::template_problem(stream); !stream.is_static() && !problem.empty())
    report.add(node, "stream", fmt::format("every event would be refused: {}", problem));
  if (exactly_once)
    report.add(node, "exactly_once", "not in this build: exactly_once for redis; leave it out for at-least-once");
  if (maxlen_exact && !maxlen) report.add(node, "maxlen_exact", "it needs maxlen, the number of entries to keep");
}

Target Config::target() const { return std::get<Target>(parse_uri(uri)); }

}  // namespace deltaforge::sinks::redis
