#include "sinks/kafka/client.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include "obs/log.h"
#include "sinks/kafka/classify.h"
#include "sinks/kafka/client_conf.h"

namespace deltaforge::sinks::kafka {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kConnectTime{3};
constexpr std::chrono::seconds kRefusedTime{1};  // then nobody will answer otherwise within kConnectTime
constexpr milliseconds kMetadataTime{1'000};
constexpr milliseconds kPause{100};
constexpr milliseconds kDescribeTime{2'000};
// A running producer may be refused for a moment while brokers restart; after this time it is meant.
constexpr std::chrono::seconds kRefusalIsMeant{10};

template <auto destroy>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    destroy(object);
  }
};
template <class T, auto destroy>
using Owned = std::unique_ptr<T, Deleter<destroy>>;

// librdkafka's own message does not say which file is missing.
bool names_file(std::string_view key) {
  return key == "ssl.ca.location" || key == "ssl.certificate.location" || key == "ssl.key.location" ||
         key == "ssl.crl.location" || key == "ssl.keystore.location";
}

obs::Level level_of(int syslog_level) {
  if (syslog_level <= 2) return obs::Level::error;
  if (syslog_level <= 4) return obs::Level::warn;  // what librdkafka calls an error is tried again
  return syslog_level <= 6 ? obs::Level::info : obs::Level::debug;
}

}  // namespace

Client::Client(const Config& config, const SinkContext& context, const Limits& limits, Use use)
    : config_(config),
      context_(context),
      topic_name_(config.topic.is_static() ? config.topic.text() : ""),
      secrets_(secret_values(config)) {
  configure(limits, use);
  if (!topic_name_.empty()) topic_ = rd_kafka_topic_new(handle_, topic_name_.c_str(), nullptr);
  queue_ = rd_kafka_queue_get_main(handle_);
  rd_kafka_queue_cb_event_enable(
      queue_, [](rd_kafka_t*, void* client) { static_cast<Client*>(client)->context_.wake(); }, this);
}

void Client::configure(const Limits& limits, Use use) {
  Owned<rd_kafka_conf_t, rd_kafka_conf_destroy> conf(rd_kafka_conf_new());
  std::array<char, 512> error{};
  auto fail = [&](std::string_view what) {
    throw Error(
        ErrorKind::config,
        fmt::format("sink '{}': making a Kafka producer: {}: {}", config_.id, what, without_secrets(error.data())),
        "see client_conf and tls of this sink");
  };
  auto set = [&](const std::string& key, const std::string& value) {
    if (rd_kafka_conf_set(conf.get(), key.c_str(), value.c_str(), error.data(), error.size()) != RD_KAFKA_CONF_OK)
      fail(key);
  };
  for (const auto& [key, value] : client_settings(config_)) {
    if (names_file(key) && value != "probe" && access(value.c_str(), R_OK) != 0)
      throw Error(ErrorKind::config,
                  fmt::format("sink '{}': {} '{}' cannot be read: {}", config_.id, key, value, std::strerror(errno)),
                  "name a readable PEM file in tls or client_conf");
    set(key, value);
  }
  // librdkafka counts framing and headers against this limit only after it has taken a message.
  set("message.max.bytes", std::to_string(limits.capacity + kRecordFraming));
  set("batch.size", std::to_string(batch_size(config_, limits)));
  if (use == Use::look) set("allow.auto.create.topics", "false");

  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_events(conf.get(), RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS);
  rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t* handle, int level, const char* facility, const char* text) {
    if (auto* client = static_cast<Client*>(rd_kafka_opaque(handle))) client->log(level, facility, text);
  });
  handle_ =
      rd_kafka_new(use == Use::look ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf.get(), error.data(), error.size());
  if (handle_ == nullptr) fail("librdkafka refuses the configuration");
  conf.release();  // now the producer's
}

Client::~Client() {
  closing_ = true;
  rd_kafka_queue_cb_event_enable(queue_, nullptr, nullptr);
  rd_kafka_queue_destroy(queue_);
  if (topic_ != nullptr) rd_kafka_topic_destroy(topic_);
  for (const auto& [name, routed] : topics_) rd_kafka_topic_destroy(routed.topic);
  rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

const Client::Routed& Client::topic(std::string_view name) {
  if (last_ != nullptr && last_->first == name) return last_->second;
  auto found = topics_.find(name);
  if (found == topics_.end()) {
    const std::string text(name);
    Owned<rd_kafka_topic_t, rd_kafka_topic_destroy> made(rd_kafka_topic_new(handle_, text.c_str(), nullptr));
    if (!made) throw Error(ErrorKind::config, fmt::format("topic '{}': librdkafka does not take its name", text));
    await(made.get(), text);
    const std::size_t limit = limit_of(text);
    found = topics_.emplace(text, Routed{made.release(), limit}).first;
  }
  last_ = &*found;
  return found->second;
}

// Rows may be under way: their reports stay in the queue.
void Client::await(rd_kafka_topic_s* topic, const std::string& name) {
  const SteadyTime begun = std::chrono::steady_clock::now();
  for (;;) {
    const struct rd_kafka_metadata* answer = nullptr;
    rd_kafka_resp_err_t error = rd_kafka_metadata(handle_, 0, topic, &answer, static_cast<int>(kMetadataTime.count()));
    Owned<const struct rd_kafka_metadata, rd_kafka_metadata_destroy> metadata(answer);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt > 0) {
      error = metadata->topics[0].err;
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topics[0].partition_cnt > 0) return;
    }
    const Fault why = fault(error, "", name);
    if (why.fatal || std::chrono::steady_clock::now() - begun >= kConnectTime)
      throw Error(why.kind, why.message, why.hint);
    std::this_thread::sleep_for(kPause);
  }
}

std::size_t Client::connect() { return static_cast<std::size_t>(find_topic(false).partitions); }

Client::Topic Client::look_at_topic() { return find_topic(true); }

Client::Topic Client::find_topic(bool may_be_missing) {
  const SteadyTime begun = std::chrono::steady_clock::now();
  std::optional<Fault> topic_fault;
  for (;;) {
    const struct rd_kafka_metadata* answer = nullptr;
    rd_kafka_resp_err_t error = rd_kafka_metadata(handle_, 0, topic_, &answer, static_cast<int>(kMetadataTime.count()));
    Owned<const struct rd_kafka_metadata, rd_kafka_metadata_destroy> metadata(answer);
    while (rd_kafka_op_s* event = next_event()) {
      Owned<rd_kafka_event_t, rd_kafka_event_destroy> owned(event);
      if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) note(event);
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && topic_ == nullptr && metadata->broker_cnt > 0) {
      acknowledged();
      return {metadata->broker_cnt, metadata->brokers[0].id, 0};
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && topic_ != nullptr && metadata->topic_cnt > 0) {
      const rd_kafka_metadata_topic& found = metadata->topics[0];
      Topic topic{metadata->broker_cnt, metadata->broker_cnt > 0 ? metadata->brokers[0].id : -1, found.partition_cnt};
      if (found.err == RD_KAFKA_RESP_ERR_NO_ERROR && found.partition_cnt > 0) {
        acknowledged();
        return topic;
      }
      if (may_be_missing && found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return topic;
      topic_fault = fault(found.err, "");
      if (topic_fault->fatal) break;
    }
    auto passed = std::chrono::steady_clock::now() - begun;
    if (passed >= kConnectTime) break;
    if (passed >= kRefusedTime && !topic_fault && (all_down_ || refused_since_)) break;
    std::this_thread::sleep_for(kPause);
  }
  throw_unconnected(topic_fault);
}

void Client::throw_unconnected(const std::optional<Fault>& topic_fault) const {
  if (topic_fault) throw Error(topic_fault->kind, topic_fault->message, topic_fault->hint);
  std::string doing = fmt::format("connecting to Kafka at {}", config_.brokers);
  if (refused_since_) {
    std::string hint(classify(RD_KAFKA_RESP_ERR__AUTHENTICATION).hint);
    if (refused_.find("SSL") != std::string::npos) hint = classify(RD_KAFKA_RESP_ERR__SSL).hint;
    throw Error(ErrorKind::auth, fmt::format("{}: {}", doing, refused_), hint);
  }
  throw Error(ErrorKind::unavailable, fmt::format("{}: {}", doing, trouble_.empty() ? "no broker answers" : trouble_),
              "check `brokers`, security.protocol and the network");
}

std::size_t Client::topic_limit() { return topic_ != nullptr ? limit_of(topic_name_) : 0; }

std::size_t Client::limit_of(const std::string& topic) {
  const std::string value = setting(RD_KAFKA_RESOURCE_TOPIC, topic, "max.message.bytes");
  std::size_t limit = 0;
  std::from_chars(value.data(), value.data() + value.size(), limit);
  return limit;
}

std::string Client::broker_setting(int broker, const char* name) {
  return setting(RD_KAFKA_RESOURCE_BROKER, std::to_string(broker), name);
}

std::string Client::setting(int type, const std::string& of, std::string_view name) {
  Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy> resource(
      rd_kafka_ConfigResource_new(static_cast<rd_kafka_ResourceType_t>(type), of.c_str()));
  Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy> options(
      rd_kafka_AdminOptions_new(handle_, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS));
  int time = static_cast<int>(kDescribeTime.count());
  rd_kafka_AdminOptions_set_request_timeout(options.get(), time, nullptr, 0);
  Owned<rd_kafka_queue_t, rd_kafka_queue_destroy> answers(rd_kafka_queue_new(handle_));
  rd_kafka_ConfigResource_t* asked = resource.get();
  rd_kafka_DescribeConfigs(handle_, &asked, 1, options.get(), answers.get());
  Owned<rd_kafka_event_t, rd_kafka_event_destroy> event(rd_kafka_queue_poll(answers.get(), time));
  if (!event || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return {};

  std::size_t count = 0;
  const auto* result = rd_kafka_event_DescribeConfigs_result(event.get());
  const rd_kafka_ConfigResource_t** resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
  if (count == 0) return {};
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(resources[0], &count);
  for (std::size_t i = 0; i < count; ++i) {
    if (std::string_view(rd_kafka_ConfigEntry_name(entries[i])) != name) continue;
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    return value != nullptr ? value : "";
  }
  return {};
}

rd_kafka_op_s* Client::next_event(milliseconds wait) {
  return rd_kafka_queue_poll(queue_, static_cast<int>(wait.count()));
}

std::optional<Fault> Client::note(rd_kafka_op_s* error_event) {
  rd_kafka_resp_err_t code = rd_kafka_event_error(error_event);
  trouble_ = without_secrets(rd_kafka_event_error_string(error_event));
  if (code == RD_KAFKA_RESP_ERR__FATAL) {
    std::array<char, 512> text{};
    code = rd_kafka_fatal_error(handle_, text.data(), text.size());
    return fault(code, without_secrets(text.data()));
  }
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    all_down_ = true;
    trouble_ = "all brokers are down";
  }
  troubled_ = true;
  context_.trouble(trouble_);
  if (Verdict verdict = classify(code); verdict.action == Verdict::Action::stop && verdict.kind == ErrorKind::auth) {
    SteadyTime now = std::chrono::steady_clock::now();
    if (!refused_since_) refused_since_ = now;
    refused_ = trouble_;
    if (now - *refused_since_ >= kRefusalIsMeant) return fault(code, refused_);
  }
  return std::nullopt;
}

void Client::acknowledged() {
  if (!troubled_) return;
  troubled_ = all_down_ = false;
  refused_since_.reset();
  context_.trouble({});
}

Fault Client::fault(int code, std::string_view detail, std::string_view topic) const {
  Verdict verdict = classify(code);
  std::string what = detail.empty() ? rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code)) : std::string(detail);
  if (topic.empty()) topic = topic_name_;
  std::string message = topic.empty() ? fmt::format("writing to Kafka at {}: {}", config_.brokers, what)
                                      : fmt::format("writing to topic '{}' at {}: {}", topic, config_.brokers, what);
  if (verdict.action == Verdict::Action::stop) return Fault::stop(verdict.kind, message, std::string(verdict.hint));
  return Fault::retry(message, std::string(verdict.hint));
}

std::string Client::without_secrets(std::string text) const {
  for (const std::string& secret : secrets_)
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += config::Secret::kMask.size())
      text.replace(at, secret.size(), config::Secret::kMask);
  return text;
}

void Client::log(int level, const char* facility, const char* text) const {
  obs::Level ours = level_of(level);
  if (closing_ || !obs::log_enabled(ours)) return;
  // Our own setting; "experimental" means that it raises a fatal error, which is what we want of it.
  if (std::string_view(text).find("enable.gapless.guarantee is experimental") != std::string_view::npos) return;
  obs::log_limited(
      ours, fmt::format("{}/{}", config_.id, facility), "kafka client",
      {{"pipeline", context_.pipeline}, {"sink", config_.id}, {"facility", facility}, {"text", without_secrets(text)}});
}

}  // namespace deltaforge::sinks::kafka
