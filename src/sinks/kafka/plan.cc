#include "sinks/kafka/plan.h"

#include <string>

#include <fmt/format.h>

#include "sinks/kafka/client.h"
#include "sinks/kafka/client_conf.h"
#include "sinks/kafka/limits.h"

namespace deltaforge::sinks::kafka {

void look_at_brokers(const Config& config, const SinkContext& context, PlanReport& report) {
  for (const std::string& note : client_conf_notes(config)) report.warning("client_conf: " + note);
  if (plain_over_network(config))
    report.warning("rows and passwords travel to Kafka in plain text", "set tls, or security.protocol in client_conf");
  Client client(config, context, Limits::of(wanted_max_record(config), 0), Client::Use::look);
  const Client::Topic topic = client.look_at_topic();
  report.fact(fmt::format("Kafka answers at {}, {} brokers", config.brokers, topic.brokers));
  if (!config.topic.is_static()) return report.fact("topics are named by the event: " + config.topic.text());
  if (topic.partitions > 0)
    return report.fact(fmt::format("topic {}: {} partitions", config.topic.text(), topic.partitions));
  if (client.broker_setting(topic.a_broker, "auto.create.topics.enable") == "true")
    return report.step(fmt::format(
        "topic {} does not exist: the brokers make it when they are asked for it (auto.create.topics.enable), with {} "
        "partitions",
        config.topic.text(), client.broker_setting(topic.a_broker, "num.partitions")));
  report.problem(fmt::format("topic {} does not exist", config.topic.text()),
                 "create the topic, or set auto.create.topics.enable on the brokers");
}

}  // namespace deltaforge::sinks::kafka
