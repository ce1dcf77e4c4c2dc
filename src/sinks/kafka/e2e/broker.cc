#include "sinks/kafka/e2e/broker.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <librdkafka/rdkafka.h>

#include "sinks/testing/process.h"

namespace deltaforge::sinks::kafka::e2e {
namespace {

// Generous: the machine may be busy with other tests.
constexpr std::chrono::seconds kStartTime{180};
constexpr int kAdminTime = 60'000;
// From the controller's answer until the broker acts on it.
constexpr std::chrono::milliseconds kTakesEffect{1'500};

// Runs one administrative request on a client of its own and throws what the broker says against it.
void administer(const std::string& brokers, const std::function<void(rd_kafka_t*, rd_kafka_queue_t*)>& request,
                const std::function<const char*(rd_kafka_event_t*)>& complaint) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), nullptr, 0);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
  rd_kafka_queue_t* answers = rd_kafka_queue_new(client);
  request(client, answers);
  rd_kafka_event_t* event = rd_kafka_queue_poll(answers, kAdminTime);
  std::string problem = "no answer";
  if (event != nullptr) {
    const char* text = rd_kafka_event_error(event) != 0 ? rd_kafka_event_error_string(event) : complaint(event);
    problem = text == nullptr ? "" : text;
    rd_kafka_event_destroy(event);
  }
  rd_kafka_queue_destroy(answers);
  rd_kafka_destroy(client);
  if (!problem.empty()) throw std::runtime_error(problem);
}

}  // namespace

Broker::Broker() {
  lib_ = testing::cache() + "/kafka/lib";
  if (!std::filesystem::is_directory(lib_)) throw std::runtime_error("no Kafka in " + lib_ + ": run ./dev setup");
  // In memory where there is such a place: a busy disk would make the broker miss its own heartbeats.
  directory_ = testing::new_directory(
      access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path().string(), "kafka");
  port_ = testing::free_port();
  scram_port_ = testing::free_port();
  tls_port_ = testing::free_port();
  testing::make_certificate(directory_);
  testing::output_of("cd " + directory_ + " && cat server.key server.crt > server.pem");
  write_properties();
  pid_t format = testing::spawn(java({"kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c",
                                      directory_ + "/server.properties", "--add-scram",
                                      "SCRAM-SHA-256=[name=" + std::string(kUser) + ",password=" + kPassword + "]"}),
                                directory_ + "/format.log");
  int status = 0;
  waitpid(format, &status, 0);
  if (status != 0) throw std::runtime_error("Kafka could not format its storage");
  start();
}

void Broker::write_properties() const {
  const std::string controller = "127.0.0.1:" + std::to_string(testing::free_port());
  const std::string own = "PLAINTEXT://" + address() + ",SCRAM://" + scram_address() + ",SSL://" + tls_address();
  std::ofstream(directory_ + "/server.properties")
      << "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@" << controller
      << "\nlisteners=" << own << ",CONTROLLER://" << controller << "\nadvertised.listeners=" << own
      << "\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,SCRAM:SASL_PLAINTEXT,SSL:SSL,CONTROLLER:PLAINTEXT\n"
         "controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\nnum.partitions=1\n"
         "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n"
         "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
         "auto.create.topics.enable=false\nbroker.session.timeout.ms=4000\nbroker.heartbeat.interval.ms=1000\n"
         "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
         "super.users=User:ANONYMOUS\nallow.everyone.if.no.acl.found=true\n"
         "sasl.enabled.mechanisms=SCRAM-SHA-256\nlistener.name.scram.scram-sha-256.sasl.jaas.config="
         "org.apache.kafka.common.security.scram.ScramLoginModule required;\n"
      << "ssl.keystore.type=PEM\nssl.keystore.location=" << directory_ << "/server.pem\nlog.dirs=" << directory_
      << "/data\n";
}

Broker::~Broker() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Broker& Broker::shared() {
  static Broker broker;
  return broker;
}

std::vector<std::string> Broker::java(std::vector<std::string> arguments) const {
  std::vector<std::string> command = {"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                                      "-cp",  lib_ + "/*"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

bool Broker::answers() const {
  return testing::output_of("kcat -b " + address() + " -m 2 -L 2>/dev/null").find("broker 1 at") != std::string::npos;
}

void Broker::start() {
  pid_ = testing::spawn(java({"kafka.Kafka", directory_ + "/server.properties"}), directory_ + "/broker.log");
  auto deadline = std::chrono::steady_clock::now() + kStartTime;
  while (!answers()) {
    if (std::chrono::steady_clock::now() > deadline || waitpid(pid_, nullptr, WNOHANG) != 0)
      throw std::runtime_error("Kafka did not start, see " + directory_ + "/broker.log");
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

void Broker::kill() {
  if (pid_ <= 0) return;
  testing::kill_and_wait(pid_);
  pid_ = -1;
}

void Broker::freeze(bool on) { ::kill(pid_, on ? SIGSTOP : SIGCONT); }

std::string Broker::create_topic(int partitions, const std::map<std::string, std::string>& settings) {
  std::string name = "orders-" + std::to_string(++topics_);
  create_topic_named(name, partitions, settings);
  return name;
}

void Broker::create_topic_named(const std::string& name, int partitions,
                                const std::map<std::string, std::string>& settings) {
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, 1, nullptr, 0);
  for (const auto& [key, value] : settings) rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
  administer(
      address(),
      [&](rd_kafka_t* client, rd_kafka_queue_t* answers) {
        rd_kafka_CreateTopics(client, &topic, 1, nullptr, answers);
      },
      [](rd_kafka_event_t* event) {
        std::size_t count = 0;
        return rd_kafka_topic_result_error_string(
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)[0]);
      });
  rd_kafka_NewTopic_destroy(topic);
}

void Broker::set_topic(const std::string& topic, const std::string& setting, const std::string& value) {
  rd_kafka_ConfigResource_t* resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
  rd_kafka_error_destroy(rd_kafka_ConfigResource_add_incremental_config(
      resource, setting.c_str(), RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, value.c_str()));
  administer(
      address(),
      [&](rd_kafka_t* client, rd_kafka_queue_t* answers) {
        rd_kafka_IncrementalAlterConfigs(client, &resource, 1, nullptr, answers);
      },
      [](rd_kafka_event_t* event) {
        std::size_t count = 0;
        return rd_kafka_ConfigResource_error_string(rd_kafka_IncrementalAlterConfigs_result_resources(
            rd_kafka_event_IncrementalAlterConfigs_result(event), &count)[0]);
      });
  rd_kafka_ConfigResource_destroy(resource);
  std::this_thread::sleep_for(kTakesEffect);
}

void Broker::allow_only(const std::string& topic, const std::vector<int>& operations) {
  const std::string user = std::string("User:") + kUser;
  for (int operation : operations) {
    rd_kafka_AclBinding_t* rule = rd_kafka_AclBinding_new(
        RD_KAFKA_RESOURCE_TOPIC, topic.c_str(), RD_KAFKA_RESOURCE_PATTERN_LITERAL, user.c_str(), "*",
        static_cast<rd_kafka_AclOperation_t>(operation), RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, nullptr, 0);
    administer(
        address(),
        [&](rd_kafka_t* client, rd_kafka_queue_t* answers) { rd_kafka_CreateAcls(client, &rule, 1, nullptr, answers); },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          const rd_kafka_error_t* error = rd_kafka_acl_result_error(
              rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(event), &count)[0]);
          return error == nullptr ? nullptr : rd_kafka_error_string(error);
        });
    rd_kafka_AclBinding_destroy(rule);
  }
  std::this_thread::sleep_for(kTakesEffect);
}

std::vector<Message> Broker::read(const std::string& topic) const {
  std::istringstream lines(testing::output_of("timeout 60 kcat -b " + address() + " -C -t " + topic +
                                              " -o beginning -e -q -X fetch.message.max.bytes=20000000 -X "
                                              "receive.message.max.bytes=60000000 -f '%p\\t%k\\t%h\\t%s\\n'"));
  std::vector<Message> messages;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    Message message;
    std::string partition;
    std::getline(fields, partition, '\t');
    std::getline(fields, message.key, '\t');
    std::getline(fields, message.headers, '\t');
    std::getline(fields, message.value);
    message.partition = std::stoi(partition);
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace deltaforge::sinks::kafka::e2e
