#include "sinks/kafka/classify.h"

#include <vector>

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

namespace deltaforge::sinks::kafka {
namespace {

using Action = Verdict::Action;

struct Expected {
  int code;
  Action action;
  ErrorKind kind;
};

TEST(KafkaClassify, EveryKnownErrorHasItsVerdict) {
  const std::vector<Expected> table = {
      {RD_KAFKA_RESP_ERR__AUTHENTICATION, Action::stop, ErrorKind::auth},
      {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, Action::stop, ErrorKind::auth},
      {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, Action::stop, ErrorKind::auth},
      {RD_KAFKA_RESP_ERR__SSL, Action::stop, ErrorKind::auth},
      {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Action::stop, ErrorKind::auth},
      {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, Action::stop, ErrorKind::auth},
      {RD_KAFKA_RESP_ERR__FENCED, Action::stop, ErrorKind::fenced},
      {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, Action::stop, ErrorKind::fenced},
      {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, Action::stop, ErrorKind::config},
      {RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, Action::stop, ErrorKind::config},
      {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, Action::stop, ErrorKind::config},
      {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Action::too_large, ErrorKind::limit},
      {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, Action::too_large, ErrorKind::limit},
      {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Action::retry, ErrorKind::unavailable},
      {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, Action::retry, ErrorKind::unavailable},
      {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, Action::retry, ErrorKind::unavailable},
      {RD_KAFKA_RESP_ERR__FATAL, Action::follow_up, ErrorKind::unavailable},
      {RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, Action::follow_up, ErrorKind::unavailable},
      {RD_KAFKA_RESP_ERR__PURGE_QUEUE, Action::follow_up, ErrorKind::unavailable},
      {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, Action::follow_up, ErrorKind::unavailable},
  };
  for (const Expected& row : table) {
    Verdict verdict = classify(row.code);
    EXPECT_EQ(verdict.action, row.action) << rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(row.code));
    EXPECT_EQ(verdict.kind, row.kind) << rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(row.code));
    if (verdict.action == Action::stop) {
      EXPECT_FALSE(verdict.hint.empty()) << row.code;
    }
  }
}

// No error that nobody thought of may stop a pipeline or drop a row.
TEST(KafkaClassify, AnythingElseIsTriedAgain) {
  for (int code :
       {static_cast<int>(RD_KAFKA_RESP_ERR__TRANSPORT), static_cast<int>(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT),
        static_cast<int>(RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR),
        static_cast<int>(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER),
        static_cast<int>(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH), static_cast<int>(RD_KAFKA_RESP_ERR_INVALID_RECORD),
        static_cast<int>(RD_KAFKA_RESP_ERR_UNKNOWN), 31'000, -199}) {
    EXPECT_EQ(classify(code).action, Action::retry) << code;
    EXPECT_EQ(classify(code).kind, ErrorKind::unavailable) << code;
  }
}

}  // namespace
}  // namespace deltaforge::sinks::kafka
