#include "sinks/redis/plan.h"

#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "sinks/redis/classify.h"
#include "sinks/redis/connection.h"

namespace deltaforge::sinks::redis {
namespace {

constexpr std::int64_t kLongestWait = 10;

// The value of "name:value" in what INFO says.
std::string value_of(std::string_view info, std::string_view name) {
  const std::string head = fmt::format("\n{}:", name);
  const std::size_t at = info.find(head);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = info.substr(at + head.size());
  return std::string(rest.substr(0, rest.find_first_of("\r\n")));
}

// A stream whose name depends on the event is not known yet.
void look_at_stream(Connection& connection, const Config& config, PlanReport& report) {
  if (!config.stream.is_static()) return report.fact("streams are named by the event: " + config.stream.text());
  const std::string& name = config.stream.parts().front().text;
  const std::string type = connection.look({"TYPE", name}).value_or("");
  if (type == "none") return report.step(fmt::format("makes the stream {} with the first event", name));
  if (type == "stream")
    return report.fact(fmt::format("stream {}: {} entries", name, connection.look({"XLEN", name}).value_or("?")));
  if (!type.empty())
    report.problem(fmt::format("the key {} holds a {}", name, type), std::string(classify("WRONGTYPE").hint));
}

}  // namespace

void look_at_server(const Config& config, PlanReport& report) {
  Config bounded = config;
  bounded.connect_timeout_secs = std::min(config.connect_timeout_secs, kLongestWait);
  const Target target = config.target();
  Connection connection(bounded, target);
  const std::string server = connection.look({"INFO", "server"}).value_or("");
  const std::string info = connection.look({"INFO", "replication"}).value_or("");
  const std::string version = value_of(server, "redis_version"), role = value_of(info, "role");
  report.fact(fmt::format("Redis {}answers at {}, user {}{}", version.empty() ? "" : version + " ", target.where(),
                          target.user.empty() ? "default" : target.user, role.empty() ? "" : ", role " + role));
  if (role == "slave" && value_of(info, "slave_read_only") == "1")
    report.problem(fmt::format("Redis at {} is a replica and takes no writes", target.where()),
                   std::string(classify("READONLY").hint));
  if (!target.tls && !is_loopback(target.host))
    report.warning("rows and the password travel to Redis in plain text", "use rediss:// in `uri`");
  look_at_stream(connection, config, report);
}

}  // namespace deltaforge::sinks::redis
