#include "sinks/kafka/classify.h"

#include <array>

#include <librdkafka/rdkafka.h>

namespace deltaforge::sinks::kafka {
namespace {

using Action = Verdict::Action;

struct Row {
  rd_kafka_resp_err_t code;
  Verdict verdict;
};

constexpr std::string_view kCredentials = "check sasl.username, sasl.password and sasl.mechanism in client_conf";
constexpr std::string_view kCertificates =
    "check security.protocol, tls.ca_file, tls.cert_file and tls.key_file against the brokers' listener";
constexpr std::string_view kTopicAcl =
    "grant this user WRITE and DESCRIBE on the topic (kafka-acls --producer --topic)";
constexpr std::string_view kClusterAcl = "grant this user IDEMPOTENT_WRITE on the cluster, or WRITE on the topic";
constexpr std::string_view kCreate = "create the topic, or set auto.create.topics.enable on the brokers";
constexpr std::string_view kOneWriter = "only one producer may use this transactional id: stop the other instance";
constexpr std::string_view kOldBroker = "the brokers are too old for this producer: Kafka 0.11 or later is needed";
constexpr std::string_view kReplicas = "bring replicas back in sync, or lower min.insync.replicas of the topic";
constexpr std::string_view kSize = "raise max.message.bytes of the topic and, if set, message.max.bytes in client_conf";

constexpr Verdict auth(std::string_view hint) { return {Action::stop, ErrorKind::auth, hint}; }
constexpr Verdict config(std::string_view hint) { return {Action::stop, ErrorKind::config, hint}; }
constexpr Verdict fenced(std::string_view hint) { return {Action::stop, ErrorKind::fenced, hint}; }
constexpr Verdict retry(std::string_view hint) { return {Action::retry, ErrorKind::unavailable, hint}; }

constexpr auto kTable = std::to_array<Row>({
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, auth(kCredentials)},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, auth(kCredentials)},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, auth(kCredentials)},
    {RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE, auth(kCredentials)},
    {RD_KAFKA_RESP_ERR__SSL, auth(kCertificates)},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, auth(kTopicAcl)},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, auth(kClusterAcl)},

    {RD_KAFKA_RESP_ERR__FENCED, fenced(kOneWriter)},
    {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, fenced(kOneWriter)},

    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, config(kOldBroker)},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, config(kOldBroker)},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, config(kOldBroker)},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, config("choose another compression.type in client_conf")},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, config("the brokers' policy forbids it: ask who runs them")},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, config("the brokers refuse this topic's name: change `topic`")},

    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, {Action::too_large, ErrorKind::limit, kSize}},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, {Action::too_large, ErrorKind::limit, kSize}},

    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, retry(kCreate)},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, retry(kCreate)},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, retry(kCreate)},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, retry(kReplicas)},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, retry(kReplicas)},

    {RD_KAFKA_RESP_ERR__FATAL, {Action::follow_up, ErrorKind::unavailable, {}}},
    {RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, {Action::follow_up, ErrorKind::unavailable, {}}},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, {Action::follow_up, ErrorKind::unavailable, {}}},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, {Action::follow_up, ErrorKind::unavailable, {}}},
});

}  // namespace

Verdict classify(int code) {
  for (const Row& row : kTable)
    if (row.code == code) return row.verdict;
  return {};
}

}  // namespace deltaforge::sinks::kafka
