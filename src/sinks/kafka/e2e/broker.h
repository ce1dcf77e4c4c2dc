// A real Kafka broker for tests, from the cache of tools/dev.d/fetch_kafka.sh: one node, KRaft, loopback ports, its own
// temporary directory. Topics are not created automatically. Rows are read back by kcat, which is none of our code.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace deltaforge::sinks::kafka::e2e {

struct Message {
  int partition;
  std::string key, headers, value;
};

class Broker {
 public:
  static constexpr const char* kUser = "app";
  static constexpr const char* kPassword = "canary-scram-51c9";

  Broker();
  ~Broker();
  // The one that all tests share; started at first use.
  static Broker& shared();

  void start();  // waits until it answers
  void kill();   // kill -9
  // As if the network were cut: connections stay open, nothing is answered.
  void freeze(bool on);

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string scram_address() const { return "127.0.0.1:" + std::to_string(scram_port_); }
  // TLS, with a certificate for localhost.
  std::string tls_address() const { return "localhost:" + std::to_string(tls_port_); }
  std::string ca_file() const { return directory_ + "/ca.pem"; }

  // A topic of a new name.
  std::string create_topic(int partitions = 1, const std::map<std::string, std::string>& settings = {});
  void create_topic_named(const std::string& name, int partitions, const std::map<std::string, std::string>& settings);
  void set_topic(const std::string& topic, const std::string& setting, const std::string& value);
  // From now on kUser may do no more than this with the topic (rd_kafka_AclOperation_t).
  void allow_only(const std::string& topic, const std::vector<int>& operations);
  // Everything in the topic; within a partition in order.
  std::vector<Message> read(const std::string& topic) const;

 private:
  std::vector<std::string> java(std::vector<std::string> arguments) const;
  void write_properties() const;
  bool answers() const;

  std::string directory_, lib_;
  int port_ = 0, scram_port_ = 0, tls_port_ = 0;
  pid_t pid_ = -1;
  int topics_ = 0;
};

}  // namespace deltaforge::sinks::kafka::e2e
