#include "sinks/kafka/client_conf.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include "base/ascii.h"
#include "config/redact.h"
#include "config/wording.h"

namespace deltaforge::sinks::kafka {
namespace {

enum class Rule {
  refused,   // `why` says what to do instead
  only,      // one of `values`; anything else is refused
  ours,      // accepted and not used; noted when it differs from `values`
  patience,  // accepted, with the meaning of patience()
};

struct Protected {
  std::string_view key;
  Rule rule;
  std::string_view values;  // separated by blanks
  std::string_view why;
};

constexpr std::size_t kUsualBatchSize = 1'048'576;
constexpr std::string_view kBounded = "the queue is bounded by the pipeline's own memory, this property is not used";
constexpr std::string_view kRounds =
    "rows go over in full requests as soon as the one before is answered, this property is not used";
constexpr std::string_view kCode = "it would load or run foreign code";
constexpr std::string_view kForever = "rows are retried until they are delivered, this property is not used";

constexpr auto kProtected = std::to_array<Protected>({
    {"acks", Rule::only, "all -1", "fewer acknowledgements can lose rows"},
    {"bootstrap.servers", Rule::refused, "", "set the sink's `brokers` instead"},
    {"delivery.report.only.error", Rule::only, "false", "every row must be acknowledged"},
    {"delivery.timeout.ms", Rule::patience, "", ""},
    {"enable.gapless.guarantee", Rule::only, "true", "rows would change their order after an error"},
    {"enable.idempotence", Rule::only, "true", "rows would change their order and repeat on retries"},
    {"linger.ms", Rule::ours, "0 1", kRounds},
    {"log.queue", Rule::only, "false", "the client's log would be lost"},
    {"max.in.flight", Rule::only, "1 2 3 4 5", "with more requests in flight rows could change their order"},
    {"max.in.flight.requests.per.connection", Rule::only, "1 2 3 4 5",
     "with more requests in flight rows could change their order"},
    {"message.send.max.retries", Rule::ours, "2147483647", kForever},
    {"message.timeout.ms", Rule::patience, "", ""},
    {"metadata.broker.list", Rule::refused, "", "set the sink's `brokers` instead"},
    {"partitioner", Rule::only, "murmur2_random murmur2 consistent consistent_random fnv1a fnv1a_random",
     "the changes of one row would not stay in order"},
    {"plugin.library.paths", Rule::refused, "", kCode},
    {"queue.buffering.max.kbytes", Rule::ours, "", kBounded},
    {"queue.buffering.max.messages", Rule::ours, "", kBounded},
    {"queue.buffering.max.ms", Rule::ours, "0 1", kRounds},
    {"queuing.strategy", Rule::only, "fifo", "rows would change their order"},
    {"request.required.acks", Rule::only, "all -1", "fewer acknowledgements can lose rows"},
    {"retries", Rule::ours, "2147483647", kForever},
    {"sasl.kerberos.kinit.cmd", Rule::refused, "", kCode},
    {"ssl.engine.location", Rule::refused, "", kCode},
    {"ssl.providers", Rule::refused, "", kCode},
    {"test.mock.broker.rtt", Rule::refused, "", "rows would go to a broker that only pretends"},
    {"test.mock.num.brokers", Rule::refused, "", "rows would go to a broker that only pretends"},
    {"transactional.id", Rule::refused, "", "it is set by `exactly_once`, which is not in this build"},
});

const Protected* find_rule(std::string_view key) {
  auto at = std::lower_bound(kProtected.begin(), kProtected.end(), key,
                             [](const Protected& a, std::string_view b) { return a.key < b; });
  return at != kProtected.end() && at->key == key ? &*at : nullptr;
}

bool among(std::string_view values, std::string_view value) {
  while (!values.empty()) {
    std::size_t end = std::min(values.find(' '), values.size());
    if (values.substr(0, end) == value) return true;
    values.remove_prefix(std::min(end + 1, values.size()));
  }
  return false;
}

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string get(const Config& config, const std::string& key) {
  auto at = config.client_conf.find(key);
  return at == config.client_conf.end() ? std::string() : at->second;
}

bool uses_sasl(const Config& config) {
  return config.client_conf.contains("sasl.mechanism") || config.client_conf.contains("sasl.mechanisms") ||
         config.client_conf.contains("sasl.username");
}

std::string security_protocol(const Config& config) {
  std::string given = to_lower(get(config, "security.protocol"));
  if (!given.empty()) return given;
  if (config.tls) return uses_sasl(config) ? "sasl_ssl" : "ssl";
  return "plaintext";
}

struct ConfDelete {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
using ConfPtr = std::unique_ptr<rd_kafka_conf_t, ConfDelete>;

// All that librdkafka knows, aliases too: the first column of the table that it prints.
std::vector<std::string> property_names() {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* file = open_memstream(&text, &size);
  if (file == nullptr) return {};
  rd_kafka_conf_properties_show(file);
  std::fclose(file);
  std::vector<std::string> names;
  std::istringstream lines(std::string(text, size));
  std::free(text);
  for (std::string line; std::getline(lines, line);) {
    std::size_t end = line.find_first_of(" |");
    if (end != std::string::npos && line.find('|') != std::string::npos) names.push_back(line.substr(0, end));
  }
  return names;
}

// What librdkafka itself thinks of a property, or "". The value may be a secret and is not repeated.
std::string try_property(rd_kafka_conf_t* conf, const std::string& key, const std::string& value) {
  if (key.starts_with("sasl.jaas") || key.starts_with("sasl.client.callback") || key.starts_with("sasl.login.callback"))
    return fmt::format("'{}' is a setting of Java clients; use sasl.mechanism, sasl.username and sasl.password", key);
  std::array<char, 512> error{};
  switch (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), error.data(), error.size())) {
    case RD_KAFKA_CONF_OK: return {};
    case RD_KAFKA_CONF_UNKNOWN:
      return fmt::format("'{}' is no property of librdkafka{}", key, config::did_you_mean(key, property_names(), ""));
    case RD_KAFKA_CONF_INVALID: break;
  }
  if (config::names_secret(key)) return fmt::format("librdkafka refuses the value of '{}'", key);
  return fmt::format("librdkafka refuses it: {}", error.data());
}

std::string check_protected(const Protected& rule, const std::string& value) {
  switch (rule.rule) {
    case Rule::refused: return fmt::format("'{}' cannot be set here: {}", rule.key, rule.why);
    case Rule::only: {
      if (among(rule.values, value)) return {};
      std::string allowed(rule.values);
      for (std::size_t at = 0; (at = allowed.find(' ', at)) != std::string::npos; at += 2) allowed.replace(at, 1, ", ");
      return fmt::format("'{}' must be {}: {}", rule.key, allowed, rule.why);
    }
    case Rule::ours: return {};
    case Rule::patience: {
      auto number = to_number(value);
      if (number && *number >= 0 && *number <= 2'147'483'647) return {};
      return fmt::format("'{}' is a number of milliseconds from 0 to 2147483647", rule.key);
    }
  }
  return {};
}

// Hosts that are this machine itself.
bool is_loopback(std::string_view broker) {
  if (auto scheme = broker.find("://"); scheme != std::string_view::npos) broker.remove_prefix(scheme + 3);
  return broker.starts_with("127.") || broker.starts_with("localhost") || broker.starts_with("[::1]");
}

}  // namespace

std::vector<ConfProblem> check_client_conf(const Config& config) {
  std::vector<ConfProblem> problems;
  ConfPtr conf(rd_kafka_conf_new());
  for (const auto& [key, value] : config.client_conf) {
    const Protected* rule = find_rule(key);
    std::string message = rule != nullptr ? check_protected(*rule, value) : std::string();
    if (message.empty()) message = try_property(conf.get(), key, value);
    // The value goes through system() in librdkafka, so it must not be able to say anything to a shell.
    if (message.empty() && key.starts_with("sasl.kerberos.") &&
        value.find_first_of("`$;&|<>\"'\\\n ") != std::string::npos)
      message = fmt::format("'{}' holds a character that is not allowed there", key);
    if (!message.empty()) problems.push_back({key, std::move(message)});
  }
  if (!config.tls) return problems;
  std::string protocol = security_protocol(config);
  if (protocol != "ssl" && protocol != "sasl_ssl")
    problems.push_back(
        {"security.protocol", "`tls` is set, so security.protocol must be ssl or sasl_ssl, or left out"});
  for (const char* key :
       {"ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "enable.ssl.certificate.verification"}) {
    if (config.client_conf.contains(key))
      problems.push_back({key, fmt::format("'{}' is given by `tls` already: keep one of the two", key)});
  }
  return problems;
}

Settings client_settings(const Config& config) {
  Settings settings = {
      {"client.id", "deltaforge"},
      {"compression.codec", "lz4"},
      {"linger.ms", "1"},
      {"batch.num.messages", "100000"},
      {"batch.size", std::to_string(kUsualBatchSize)},
      {"partitioner", "murmur2_random"},
      {"statistics.interval.ms", "10000"},
      {"reconnect.backoff.max.ms", "5000"},
      {"request.timeout.ms", std::to_string(config.send_timeout_secs * 1000)},
      {"security.protocol", security_protocol(config)},
  };
  if (config.tls) {
    const config::Tls& tls = *config.tls;
    if (!tls.ca_file.empty()) settings.emplace_back("ssl.ca.location", tls.ca_file);
    if (!tls.cert_file.empty()) settings.emplace_back("ssl.certificate.location", tls.cert_file);
    if (!tls.key_file.empty()) settings.emplace_back("ssl.key.location", tls.key_file);
    if (tls.insecure_skip_verify) settings.emplace_back("enable.ssl.certificate.verification", "false");
  }
  for (const auto& [key, value] : config.client_conf) {
    const Protected* rule = find_rule(key);
    if (rule == nullptr || rule->rule == Rule::only) settings.emplace_back(key, value);
  }
  // Last, so that nothing wins over them.
  Settings promised = {
      {"bootstrap.servers", config.brokers}, {"enable.idempotence", "true"},
      {"enable.gapless.guarantee", "true"},  {"acks", "all"},
      {"message.timeout.ms", "0"},           {"retries", "2147483647"},
      {"queue.buffering.max.messages", "0"}, {"queue.buffering.max.kbytes", "2147483647"},
  };
  settings.insert(settings.end(), promised.begin(), promised.end());
  return settings;
}

std::vector<std::string> client_conf_notes(const Config& config) {
  std::vector<std::string> notes;
  for (const auto& [key, value] : config.client_conf) {
    const Protected* rule = find_rule(key);
    if (rule == nullptr) continue;
    if (rule->rule == Rule::ours && !among(rule->values, value)) notes.push_back(fmt::format("{}: {}", key, rule->why));
    if (rule->rule == Rule::patience)
      notes.push_back(fmt::format(
          "{}: messages never expire; the pipeline is shown as degraded when a batch takes longer than this", key));
  }
  return notes;
}

std::chrono::milliseconds patience(const Config& config) {
  for (const char* key : {"message.timeout.ms", "delivery.timeout.ms"}) {
    auto number = to_number(get(config, key));
    if (number && *number > 0) return std::chrono::milliseconds(*number);
  }
  return std::chrono::seconds(5);
}

std::size_t wanted_max_record(const Config& config) {
  auto number = to_number(get(config, "message.max.bytes"));
  return number && *number > 0 ? static_cast<std::size_t>(*number) : 0;
}

std::size_t batch_size(const Config& config, const Limits& limits) {
  auto given = to_number(get(config, "batch.size"));
  const auto wanted = given && *given > 0 ? static_cast<std::size_t>(*given) : kUsualBatchSize;
  return std::clamp<std::size_t>(wanted, 1, std::max<std::size_t>(1, limits.ordinary + kRecordFraming));
}

std::vector<std::string> secret_values(const Config& config) {
  std::vector<std::string> secrets;
  for (const auto& [key, value] : config.client_conf)
    if (config::names_secret(key) && !value.empty()) secrets.push_back(value);
  // Longest first: one may be a part of another.
  std::sort(secrets.begin(), secrets.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  return secrets;
}

bool plain_over_network(const Config& config) {
  std::string protocol = security_protocol(config);
  if (protocol != "plaintext" && protocol != "sasl_plaintext") return false;
  std::string_view left = config.brokers;
  while (!left.empty()) {
    std::size_t end = std::min(left.find(','), left.size());
    std::string_view broker = left.substr(0, end);
    broker.remove_prefix(std::min(broker.find_first_not_of(' '), broker.size()));
    if (!broker.empty() && !is_loopback(broker)) return true;
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return false;
}

}  // namespace deltaforge::sinks::kafka
