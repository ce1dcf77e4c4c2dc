// One librdkafka producer. Owned and called by the lane thread. librdkafka's own threads come in at two
// places only: the log callback, and `wake` when an event waits (a delivery report, an error, statistics). The lane
// then takes the events with next_event(), so that nothing of the sink is shared between threads.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "core/sink.h"
#include "sinks/kafka/config.h"
#include "sinks/kafka/limits.h"

struct rd_kafka_s;
struct rd_kafka_topic_s;
struct rd_kafka_queue_s;
struct rd_kafka_op_s;

namespace deltaforge::sinks::kafka {

class Client {
 public:
  // Who only looks is a consumer: brokers make a topic that a producer asks for.
  enum class Use { produce, look };

  // No network yet. Both references must outlive the client. Record batches are no larger than an ordinary record.
  // Throws Error{config} for properties that contradict one another or name files that cannot be read.
  Client(const Config&, const SinkContext&, const Limits&, Use = Use::produce);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  // Drops what is queued or in flight without waiting for it. Afterwards nothing refers to the slabs any more.
  ~Client();

  // Waits, 3 s at most, until a broker knows the topic, or answers where topics are named by events. How many
  // partitions it has; 0: not known. Throws Error{unavailable, auth, config}.
  std::size_t connect();
  // The same; a topic that does not exist is an answer, too.
  struct Topic {
    int brokers = 0;
    int a_broker = -1;   // the number of one
    int partitions = 0;  // 0: it does not exist
  };
  Topic look_at_topic();
  // A setting of this broker; empty when it does not tell. Bounded by 2 s.
  std::string broker_setting(int broker, const char* name);
  // `max.message.bytes` of the topic; 0 when the brokers do not tell. Bounded by 2 s.
  std::size_t topic_limit();

  rd_kafka_s* handle() { return handle_; }
  // The configured one; null where topics are named by events.
  rd_kafka_topic_s* topic() { return topic_; }
  // Another one, and its `max.message.bytes` (0: the brokers do not tell). Kept for as long as this client. At its
  // first use waits, 3 s at most, until a broker knows it: rows before one whose topic is missing would come again for
  // as long as it is. Throws Error{unavailable, auth, config} that names it.
  struct Routed {
    rd_kafka_topic_s* topic = nullptr;
    std::size_t limit = 0;
  };
  const Routed& topic(std::string_view name);

  // To be given back by rd_kafka_event_destroy(). Null: none came within `wait`.
  rd_kafka_op_s* next_event(std::chrono::milliseconds wait = {});
  // Takes note of an error event. A fault when this client can do nothing more.
  std::optional<Fault> note(rd_kafka_op_s* error_event);
  // The brokers acknowledge again: forgets the trouble.
  void acknowledged();

  // The error `code`, for people, with the remedy. `topic`: empty for the configured one.
  Fault fault(int code, std::string_view detail, std::string_view topic = {}) const;

 private:
  void configure(const Limits&, Use);
  Topic find_topic(bool may_be_missing);
  void await(rd_kafka_topic_s*, const std::string& name);
  std::size_t limit_of(const std::string& topic);
  // `resource`: an rd_kafka_ResourceType_t.
  std::string setting(int resource, const std::string& of, std::string_view name);
  [[noreturn]] void throw_unconnected(const std::optional<Fault>& topic_fault) const;
  std::string without_secrets(std::string text) const;
  void log(int level, const char* facility, const char* text) const;

  const Config& config_;
  const SinkContext& context_;
  const std::string topic_name_;  // empty: events name it
  const std::vector<std::string> secrets_;
  rd_kafka_s* handle_ = nullptr;
  rd_kafka_topic_s* topic_ = nullptr;
  std::map<std::string, Routed, std::less<>> topics_;
  const std::pair<const std::string, Routed>* last_ = nullptr;  // of these
  rd_kafka_queue_s* queue_ = nullptr;

  std::atomic<bool> closing_{false};  // what librdkafka says of dropped messages is no news
  bool all_down_ = false;
  bool troubled_ = false;
  std::string trouble_;  // the last error, for people
  std::string refused_;  // the last error that says: wrong credentials or certificates
  std::optional<SteadyTime> refused_since_;
};

}  // namespace deltaforge::sinks::kafka
