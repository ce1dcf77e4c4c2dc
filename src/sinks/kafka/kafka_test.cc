// Configuration, properties of the client, statistics, limits. No network but a broker that librdkafka pretends.
#include "sinks/kafka/kafka.h"

#include <iostream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "config/echo.h"
#include "config/parse.h"
#include "core/component.h"
#include "encode/key.h"
#include "encode/make_encoder.h"
#include "sinks/kafka/client_conf.h"
#include "sinks/kafka/config.h"
#include "sinks/kafka/limits.h"
#include "sinks/kafka/probe.h"
#include "sinks/kafka/shipment.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/config_check.h"
#include "sinks/testing/lane.h"

namespace deltaforge::sinks::kafka {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Component {
  using Config = kafka::Config;
};
std::string problems(const std::string& more, Config* out = nullptr) {
  return testing::problems<Component>("id: k\nbrokers: 127.0.0.1:9092\ntopic: orders\n" + more, out);
}
Config config_of(const std::string& more) {
  Config config;
  EXPECT_THAT(problems(more, &config), IsEmpty());
  return config;
}
// The last one wins, as in librdkafka.
std::string setting(const Config& config, const std::string& key) {
  std::string found = "(unset)";
  for (const auto& [name, value] : client_settings(config))
    if (name == key) found = value;
  return found;
}

TEST(KafkaConfig, TheExamplesOfTheBookLoad) {
  Config config = config_of(
      "envelope:\n  type: native\nencoding: json\nrequired: true\nexactly_once: false\nsend_timeout_secs: 30\n"
      "client_conf:\n  message.timeout.ms: \"5000\"\n  acks: \"all\"\n  retries: 2147483647\n"
      "  enable.idempotence: true\n  compression.type: lz4\n");
  EXPECT_EQ(config.client_conf.at("enable.idempotence"), "true");
  EXPECT_EQ(patience(config), std::chrono::milliseconds(5000));
  EXPECT_EQ(setting(config, "message.timeout.ms"), "0");
  EXPECT_EQ(setting(config, "acks"), "all");
}

TEST(KafkaConfig, RequiredFieldsAndTypos) {
  std::string text = testing::problems<Component>("id: k\nbroker: 127.0.0.1:9092\n");
  EXPECT_THAT(text, HasSubstr("did you mean 'brokers'"));
  EXPECT_THAT(text, HasSubstr("topic"));
}

TEST(KafkaConfig, WhatIsNotInThisBuildIsRefused) {
  EXPECT_THAT(problems("exactly_once: true\n"), HasSubstr("not in this build: exactly_once for kafka"));
  EXPECT_THAT(problems("encoding: avro\n"), HasSubstr("not in this build: encoding avro"));
}

TEST(KafkaConfig, TopicNamesAreChecked) {
  for (const char* bad : {"or ders", "a/b", "..", "ä"})
    EXPECT_THAT(testing::problems<Component>("id: k\nbrokers: b\ntopic: \"" + std::string(bad) + "\"\n"),
                HasSubstr("no valid topic name"))
        << bad;
  EXPECT_THAT(testing::problems<Component>("id: k\nbrokers: b\ntopic: " + std::string(250, 'a') + "\n"),
              HasSubstr("no valid topic name"));
  for (const char* refused : {"a..${op}", "${op}.", ".${op}"})
    EXPECT_THAT(testing::problems<Component>("id: k\nbrokers: b\ntopic: \"" + std::string(refused) + "\"\n"),
                HasSubstr("topic: every event would be refused: it has an empty part"))
        << refused;
  for (const char* good : {"a..b", "a.${op}.b"})
    EXPECT_THAT(testing::problems<Component>("id: k\nbrokers: b\ntopic: \"" + std::string(good) + "\"\n"), IsEmpty());
  for (const char* own : {"__consumer_offsets", "__${source.table}"})
    EXPECT_THAT(testing::problems<Component>("id: k\nbrokers: b\ntopic: \"" + std::string(own) + "\"\n"),
                HasSubstr("Kafka's own"))
        << own;
}

TEST(KafkaConfig, ProtectedPropertiesKeepTheirPromise) {
  auto refused = [](const std::string& line) { return problems("client_conf:\n  " + line + "\n"); };
  EXPECT_THAT(refused("acks: 1"), AllOf(HasSubstr("test.yaml:5:"), HasSubstr("'acks' must be all, -1")));
  EXPECT_THAT(refused("request.required.acks: 0"), HasSubstr("can lose rows"));
  EXPECT_THAT(refused("enable.idempotence: false"), HasSubstr("must be true"));
  EXPECT_THAT(refused("max.in.flight: 6"), HasSubstr("change their order"));
  EXPECT_THAT(refused("max.in.flight.requests.per.connection: 10"), HasSubstr("change their order"));
  EXPECT_THAT(refused("transactional.id: mine"), HasSubstr("exactly_once"));
  EXPECT_THAT(refused("bootstrap.servers: elsewhere:9092"), HasSubstr("`brokers`"));
  EXPECT_THAT(refused("delivery.report.only.error: true"), HasSubstr("must be acknowledged"));
  EXPECT_THAT(refused("partitioner: random"), HasSubstr("stay in order"));
  EXPECT_THAT(refused("queuing.strategy: lifo"), HasSubstr("change their order"));
  EXPECT_THAT(refused("plugin.library.paths: /tmp/x"), HasSubstr("foreign code"));
  EXPECT_THAT(refused("sasl.kerberos.kinit.cmd: reboot"), HasSubstr("foreign code"));
  EXPECT_THAT(refused("sasl.kerberos.principal: x; reboot"), HasSubstr("not allowed there"));
  EXPECT_THAT(refused("test.mock.num.brokers: 1"), HasSubstr("pretends"));
  EXPECT_THAT(refused("dr_msg_cb: 1"), HasSubstr("dr_msg_cb"));
  EXPECT_THAT(refused("message.timeout.ms: soon"), HasSubstr("milliseconds"));
  EXPECT_THAT(refused("max.in.flight: 5"), IsEmpty());
  EXPECT_THAT(refused("acks: -1"), IsEmpty());
}

TEST(KafkaConfig, UnknownPropertiesAreNamed) {
  EXPECT_THAT(problems("client_conf:\n  compresion.type: lz4\n"),
              AllOf(HasSubstr("no property of librdkafka"), HasSubstr("did you mean 'compression.type'")));
  EXPECT_THAT(problems("client_conf:\n  linger.ms: many\n"), HasSubstr("linger.ms"));
  EXPECT_THAT(problems("client_conf:\n  sasl.jaas.config: user and password\n"),
              AllOf(HasSubstr("Java"), Not(HasSubstr("user and password"))));
}

TEST(KafkaConfig, AllProblemsAtOnce) {
  std::string text = problems("topics: x\nexactly_once: true\nclient_conf:\n  acks: 0\n  nonsense: 1\n");
  for (const char* part : {"topics", "exactly_once", "'acks'", "'nonsense'"}) EXPECT_THAT(text, HasSubstr(part));
}

TEST(KafkaConfig, SecretsDoNotShow) {
  Config config = config_of("client_conf:\n  sasl.password: canary-51c9\n  ssl.key.password: canary-77\n");
  config::Echo echo;
  Config::spec().echo(config, echo);
  EXPECT_THAT(echo.text(), AllOf(Not(HasSubstr("canary")), HasSubstr("***"), HasSubstr("\"topic\":\"orders\"")));
  EXPECT_EQ(secret_values(config), (std::vector<std::string>{"canary-51c9", "canary-77"}));
  EXPECT_THAT(problems("client_conf:\n  sasl.pasword: canary-51c9\n"), Not(HasSubstr("canary")));
}

TEST(KafkaSettings, WhatIsPromisedWinsOverClientConf) {
  Config config = config_of(
      "client_conf:\n  delivery.timeout.ms: 7000\n  retries: 3\n  queue.buffering.max.messages: 10\n  linger.ms: 50\n");
  EXPECT_EQ(setting(config, "enable.idempotence"), "true");
  EXPECT_EQ(setting(config, "enable.gapless.guarantee"), "true");
  EXPECT_EQ(setting(config, "message.timeout.ms"), "0");
  EXPECT_EQ(setting(config, "retries"), "2147483647");
  EXPECT_EQ(setting(config, "queue.buffering.max.messages"), "0");
  EXPECT_EQ(setting(config, "linger.ms"), "1");
  EXPECT_EQ(setting(config, "delivery.timeout.ms"), "(unset)");
  EXPECT_EQ(patience(config), std::chrono::milliseconds(7000));
  EXPECT_EQ(client_conf_notes(config).size(), 4u);
  EXPECT_TRUE(client_conf_notes(config_of("client_conf:\n  retries: 2147483647\n  acks: all\n")).empty());
}

TEST(KafkaSettings, Defaults) {
  Config config = config_of("");
  EXPECT_EQ(setting(config, "compression.codec"), "lz4");
  EXPECT_EQ(setting(config, "linger.ms"), "1");
  EXPECT_EQ(setting(config, "partitioner"), "murmur2_random");
  EXPECT_EQ(setting(config, "request.timeout.ms"), "30000");
  EXPECT_EQ(setting(config, "security.protocol"), "plaintext");
  EXPECT_EQ(patience(config), std::chrono::milliseconds(5000));
  EXPECT_EQ(wanted_max_record(config), 0u);
}

TEST(KafkaSettings, TlsSpeaksThroughLibrdkafka) {
  Config config = config_of("tls:\n  ca_file: /ca.pem\n  cert_file: /c.pem\n  key_file: /k.pem\n");
  EXPECT_EQ(setting(config, "security.protocol"), "ssl");
  EXPECT_EQ(setting(config, "ssl.ca.location"), "/ca.pem");
  EXPECT_EQ(setting(config, "ssl.certificate.location"), "/c.pem");
  EXPECT_EQ(setting(config, "ssl.key.location"), "/k.pem");
  EXPECT_EQ(setting(config, "enable.ssl.certificate.verification"), "(unset)");
  config = config_of("tls:\n  insecure_skip_verify: true\nclient_conf:\n  sasl.mechanism: SCRAM-SHA-256\n");
  EXPECT_EQ(setting(config, "security.protocol"), "sasl_ssl");
  EXPECT_EQ(setting(config, "enable.ssl.certificate.verification"), "false");

  EXPECT_THAT(problems("tls:\n  cert_file: /c.pem\n"), HasSubstr("belong together"));
  EXPECT_THAT(problems("tls:\n  ca_file: /c.pem\nclient_conf:\n  security.protocol: PLAINTEXT\n"),
              HasSubstr("must be ssl or sasl_ssl"));
  EXPECT_THAT(problems("tls:\n  ca_file: /c.pem\nclient_conf:\n  ssl.ca.location: /d.pem\n"), HasSubstr("already"));
}

TEST(KafkaSettings, PlainTextOverANetworkIsNoticed) {
  Config config = config_of("");
  for (const char* local : {"127.0.0.1:9092", "localhost", " localhost:1 , [::1]:9", "PLAINTEXT://127.0.0.1:9092"}) {
    config.brokers = local;
    EXPECT_FALSE(plain_over_network(config)) << local;
  }
  config.brokers = "127.0.0.1:9092,kafka.example:9092";
  EXPECT_TRUE(plain_over_network(config));
  config.client_conf["security.protocol"] = "SASL_PLAINTEXT";
  EXPECT_TRUE(plain_over_network(config));
  config.client_conf["security.protocol"] = "SASL_SSL";
  EXPECT_FALSE(plain_over_network(config));
}

TEST(KafkaProbe, ReadsTheClientsStatistics) {
  ClientStatistics read = read_statistics(
      R"({"name":"x","msg_cnt":12, "msg_size":3456, "msg_max":1,"brokers":{"a":{"txretries":2,"msg_cnt":9},)"
      R"("b":{"txretries":3}}})");
  EXPECT_EQ(read.queue_messages, 12);
  EXPECT_EQ(read.queue_bytes, 3456);
  EXPECT_EQ(read.retries, 5);
}

TEST(KafkaLimits, FollowFromTheTopicAndTheUser) {
  const Limits unknown = Limits::of(0, 0);
  EXPECT_EQ(unknown.ordinary, kUsualTopicLimit - kBatchFraming);
  EXPECT_EQ(unknown.largest, kUsualRequestLimit);
  EXPECT_EQ(Limits::of(0, 2'000).ordinary, 2'000 - kBatchFraming);
  EXPECT_EQ(Limits::of(0, 2'000).largest, kUsualRequestLimit);
  EXPECT_EQ(Limits::of(0, 100).ordinary, 0u);
  EXPECT_EQ(Limits::of(0, 100).capacity, unknown.ordinary);
  EXPECT_EQ(Limits::of(0, 5'000'000).capacity, 5'000'000 - kBatchFraming);
  EXPECT_EQ(Limits::of(5'000, 5'000'000).capacity, 5'000u);
  EXPECT_EQ(Limits::of(0, 300'000'000).largest, 300'000'000u);
  EXPECT_EQ(Limits::of(5'000, 2'000).largest, 5'000u);
  EXPECT_EQ(Limits::of(5'000, 2'000).ordinary, 2'000 - kBatchFraming);
  EXPECT_EQ(Limits::of(5'000, 0).ordinary, 5'000 - kBatchFraming);
  EXPECT_EQ(Limits::of(5'000'000, 0).ordinary, kUsualTopicLimit - kBatchFraming);
}

// A record batch never makes the broker refuse what each record alone would not.
TEST(KafkaLimits, BatchesAreNoLargerThanTheTopicTakes) {
  EXPECT_EQ(batch_size(config_of(""), Limits::of(0, 2'000)), 2'000 - kBatchFraming + kRecordFraming);
  EXPECT_EQ(batch_size(config_of(""), Limits::of(0, 10'000'000)), 1'048'576u);
  EXPECT_EQ(batch_size(config_of("client_conf:\n  batch.size: 1000\n"), Limits::of(0, 2'000)), 1'000u);
  EXPECT_EQ(batch_size(config_of("client_conf:\n  batch.size: 5000\n"), Limits::of(0, 2'000)),
            2'000 - kBatchFraming + kRecordFraming);
}

// A pretended broker, and a sink that knows no other limit than message.max.bytes.
class KafkaLimit : public ::testing::Test {
 protected:
  KafkaLimit()
      : client_(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0)),
        brokers_(rd_kafka_mock_cluster_new(client_, 1)) {
    rd_kafka_mock_topic_create(brokers_, "orders", 1, 1);
  }
  ~KafkaLimit() override {
    rd_kafka_mock_cluster_destroy(brokers_);
    rd_kafka_destroy(client_);
  }

  testing::Answer deliver(const Delivery& delivery, const std::string& more) {
    Catalogue catalogue;
    add(catalogue);
    config::Report report;
    auto documents = config::parse(
        "id: k\ntopic: orders\nbrokers: " + std::string(rd_kafka_mock_cluster_bootstraps(brokers_)) + "\n" + more,
        "test.yaml", report);
    SinkMaker maker = catalogue.sinks.check("kafka", documents.at(0).root, report);
    EXPECT_TRUE(report.ok()) << report.text();
    auto sink = maker.build(lane_.context());
    sink->open();
    return lane_.deliver(*sink, delivery);
  }

  rd_kafka_t* client_;
  rd_kafka_mock_cluster_t* brokers_;
  testing::BatchBuilder batches_;
  testing::Lane lane_;
};

TEST_F(KafkaLimit, CountsTheKeyToo) {
  batches_.insert(1'234'567'890'123'456'789, std::string(2'000, 'x'));
  Delivery delivery = batches_.build();
  const Event& event = delivery.batch->event(0);
  Slab key, value;
  ASSERT_EQ(encode::append_key(event, key), "");
  ASSERT_EQ(encode::make_encoder({}, {}, "")->encode(*delivery.batch, event, value), "");
  ASSERT_EQ(key.size(), 19u);
  auto with_limit = [&](std::size_t limit) {
    return deliver(delivery, "client_conf:\n  message.max.bytes: " + std::to_string(limit) + "\n");
  };
  EXPECT_TRUE(with_limit(value.size() + key.size()).delivered());
  auto answer = with_limit(value.size() + key.size() - 1);
  ASSERT_TRUE(answer.outcome.refused);
  EXPECT_EQ(answer.outcome.refused->kind, "too_large");
  EXPECT_THAT(answer.outcome.refused->reason,
              AllOf(HasSubstr(std::to_string(value.size() + key.size()) + " bytes"), HasSubstr("message.max.bytes")));
}

TEST(KafkaShipment, FindsTheEventOfAMessage) {
  Slab slab;
  slab.append("k1v1k2value2k3v3");
  Shipment shipment;
  shipment.slab = &slab;
  shipment.rows = {{0, 2, 4, 4, 7}, {4, 6, 12, 12, 9}, {12, 14, 16, 16, 11}};
  EXPECT_EQ(shipment.event_at(slab.data() + 2), 7u);
  EXPECT_EQ(shipment.event_at(slab.data() + 6), 9u);
  EXPECT_EQ(shipment.event_at(slab.data() + 14), 11u);
  EXPECT_EQ(shipment.rows[1].size(), 8u);
}

// Debian's own librdkafka, or a build without libsasl2, lacks something that users need.
TEST(KafkaLibrary, HasWhatUsersNeed) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char features[512];
  std::size_t size = sizeof features;
  ASSERT_EQ(rd_kafka_conf_get(conf, "builtin.features", features, &size), RD_KAFKA_CONF_OK);
  rd_kafka_conf_destroy(conf);
  std::cout << "librdkafka " << rd_kafka_version_str() << ": " << features << "\n";
  for (const char* feature : {"ssl", "sasl", "sasl_scram", "sasl_plain", "lz4", "zstd", "snappy", "gzip"})
    EXPECT_THAT(features, HasSubstr(feature));
  EXPECT_GE(rd_kafka_version(), 0x020800FF & ~0xFF);
}

}  // namespace
}  // namespace deltaforge::sinks::kafka
