#include "sinks/nats/plan.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "sinks/nats/connection.h"
#include "sinks/nats/streams.h"

namespace deltaforge::sinks::nats {
namespace {

constexpr std::int64_t kLongestWait = 10;

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

void look_at_server(const Config& config, const SinkContext& context, PlanReport& report) {
  Config bounded = config;
  bounded.connect_timeout_secs = std::min(config.connect_timeout_secs, kLongestWait);
  bounded.send_timeout_secs = std::min(config.send_timeout_secs, kLongestWait);
  const Servers servers = config.servers();
  const auto connection = connect(bounded, "deltaforge plan " + context.pipeline);
  report.fact(fmt::format("NATS answers at {}", connection->where()));
  if (!connection->has_tls() && is_remote(servers))
    report.warning("rows and passwords travel to NATS in plain text", "set `tls`, or write tls:// in `url`");
  Streams streams(bounded, *connection);
  for (const Stream& stream : streams.all())
    report.fact(fmt::format("stream {}: captures {}; last sequence {}", stream.name, join(stream.subjects),
                            stream.last_sequence));
  if (streams.any()) return;
  if (context.recall() == config.subject.text()) throw not_captured_any_more(config, connection->where());
  report.warning(
      fmt::format("no stream captures '{}': events would go to core NATS, at most once", config.subject.text()),
      "create a stream (nats stream add), and name it in `stream`");
}

}  // namespace deltaforge::sinks::nats
