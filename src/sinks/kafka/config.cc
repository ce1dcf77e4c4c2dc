#include "sinks/kafka/config.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "encode/destination.h"
#include "sinks/kafka/client_conf.h"

namespace deltaforge::sinks::kafka {
namespace {

constexpr std::size_t kLongestTopic = 249;

}  // namespace

bool is_topic_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestTopic || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("kafka", "Publishes change events to Apache Kafka, at least once and in order.");
    spec.field("id", &Config::id, "Name used for checkpoints and metrics.", {.min = 1})
        .field("brokers", &Config::brokers, "Brokers to start from, `host:port`, separated by commas.",
               {.required = true, .min = 1})
        .field("topic", &Config::topic, "Topic to write to; may hold variables: `cdc.${source.table}`.",
               {.required = true, .min = 1})
        .field("key", &Config::key, "Message key; may hold variables. Without it the primary key of the row.");
    encode::add_format_fields(spec)
        .field("required", &Config::required, "Whether checkpoints wait for this sink.")
        .field("exactly_once", &Config::exactly_once, "Writes in Kafka transactions. Not in this build.")
        .field("send_timeout_secs", &Config::send_timeout_secs,
               "Time a broker has to answer one request before it is sent again.", {.min = 1, .max = 900})
        .field("client_conf", &Config::client_conf, "Further properties of librdkafka, by their own names.")
        .choice("headers", &Config::headers,
                "Message headers: `standard` adds df-event-id, df-idempotency-key and content-type.",
                {{"none", Headers::none}, {"standard", Headers::standard}})
        .nested("tls", &Config::tls, "Encrypts the connection.");
    return config::add_sink_fields(spec);
  }();
  return s;
}

void Config::check(const config::Node& node, config::Report& report) const {
  if (brokers.find("://") != std::string::npos)
    report.add(node, "brokers", "no list of brokers: write host:port, without kafka:// or http://");
  const std::string shape = encode::shape_of(topic);
  static constexpr std::string_view kOwn[] = {"__consumer_offsets", "__transaction_state", "__share_group_state",
                                              "__cluster_metadata"};
  if (topic.is_static() ? std::ranges::find(kOwn, shape) != std::end(kOwn) : shape.starts_with("__"))
    report.add(node, "topic", "topics that begin with '__' are Kafka's own");
  if (!topic.empty() && !is_topic_name(shape))
    report.add(node, "topic", "no valid topic name: use up to 249 letters, digits, '.', '_' and '-'");
  else if (const auto problem = encode::template_problem(topic); !topic.is_static() && !problem.empty())
    report.add(node, "topic", fmt::format("every event would be refused: {}", problem));
  if (exactly_once)
    report.add(node, "exactly_once", "not in this build: exactly_once for kafka; leave it out for at-least-once");

  const config::Node* map = node.find("client_conf");
  for (const ConfProblem& problem : check_client_conf(*this)) {
    if (map != nullptr && map->find(problem.key) != nullptr)
      report.add(*map, problem.key, problem.message);
    else
      report.add(node, problem.message);
  }
}

}  // namespace deltaforge::sinks::kafka
