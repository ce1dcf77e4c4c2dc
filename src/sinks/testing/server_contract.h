// The contract of sinks that talk to a server, besides contract.h:
//
//   INSTANTIATE_TEST_SUITE_P(Kafka, ServerSinkContract, ::testing::Values(server_subject_of<KafkaSubject>()));
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sinks/testing/batch_builder.h"
#include "sinks/testing/lane.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::testing {

class ServerSubject : public Subject {
 public:
  // The server can no longer be reached (stopped, or cut off by a proxy), and can again.
  virtual void leave() = 0;
  virtual void come_back() = 0;
  // A sink whose password is wrong; null where there are no passwords.
  virtual std::unique_ptr<Sink> make_with_wrong_password(SinkContext) { return nullptr; }
};

using ServerSubjectMaker = std::function<std::unique_ptr<ServerSubject>()>;
template <class T>
ServerSubjectMaker server_subject_of() {
  return [] { return std::make_unique<T>(); };
}

class ServerSinkContract : public ::testing::TestWithParam<ServerSubjectMaker> {
 protected:
  // As a lane does: a new sink after each failure, until the delivery is taken.
  bool deliver_with_retries(std::unique_ptr<Sink>& sink, const Delivery& delivery) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(90);
    while (std::chrono::steady_clock::now() < deadline) {
      try {
        if (!sink) {
          sink = subject_->make(lane_.context());
          sink->open();
        }
        if (lane_.deliver(*sink, delivery).delivered()) return true;
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::unavailable) << e.what();
      }
      sink.reset();
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return false;
  }

  std::unique_ptr<ServerSubject> subject_ = GetParam()();
  BatchBuilder batches_;
  Lane lane_;
};

// While the server is away a delivery is unanswered or to be tried again, never delivered, never fatal.
TEST_P(ServerSinkContract, AServerThatLeavesAndComesBackLosesNothing) {
  std::unique_ptr<Sink> sink;
  ASSERT_TRUE(deliver_with_retries(sink, batches_.rows(0, 20)));
  subject_->leave();
  Delivery second = batches_.rows(20, 20);
  const std::size_t answered = lane_.answers().size();
  lane_.send(*sink, second);
  lane_.drain(*sink, std::chrono::seconds(3));
  for (std::size_t i = answered; i < lane_.answers().size(); ++i) {
    const Answer answer = lane_.answers()[i];
    ASSERT_TRUE(answer.outcome.fault) << "delivered to a server that is away";
    EXPECT_FALSE(answer.outcome.fault->fatal) << answer.outcome.fault->message;
    EXPECT_NE(answer.outcome.fault->message, "");
  }
  sink.reset();
  subject_->come_back();
  ASSERT_TRUE(deliver_with_retries(sink, second));
  ASSERT_TRUE(deliver_with_retries(sink, batches_.rows(40, 20)));
  sink.reset();

  std::vector<std::int64_t> first_seen;
  for (std::int64_t id : row_ids(subject_->read()))
    if (std::find(first_seen.begin(), first_seen.end(), id) == first_seen.end()) first_seen.push_back(id);
  EXPECT_EQ(first_seen, sequence(0, 60));
}

TEST_P(ServerSinkContract, AWrongPasswordIsSaidPlainly) {
  std::unique_ptr<Sink> sink = subject_->make_with_wrong_password(lane_.context());
  if (!sink) return;
  std::optional<ErrorKind> kind;
  std::string message;
  try {
    sink->open();
    const Answer answer = lane_.deliver(*sink, batches_.rows(0, 1));
    ASSERT_TRUE(answer.outcome.fault);
    EXPECT_TRUE(answer.outcome.fault->fatal);
    kind = answer.outcome.fault->kind;
    message = answer.outcome.fault->message + answer.outcome.fault->hint;
  } catch (const Error& e) {
    kind = e.kind();
    message = e.what();
  }
  EXPECT_EQ(kind, ErrorKind::auth) << message;
  EXPECT_NE(message, "");
}

}  // namespace deltaforge::sinks::testing
