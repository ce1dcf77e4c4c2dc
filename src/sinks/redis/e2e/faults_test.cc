// What a server refuses, and what the operator then reads.
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/redis/e2e/maker.h"
#include "sinks/redis/e2e/server.h"
#include "sinks/testing/batch_builder.h"
#include "sinks/testing/lane.h"
#include "sinks/testing/subject.h"

namespace deltaforge::sinks::redis::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::sequence;

class RedisE2e : public ::testing::Test {
 protected:
  ~RedisE2e() override {
    server_.set("maxmemory", "0");
    server_.set("proto-max-bulk-len", "512mb");
    server_.allow_only({"~*", "+@all"});
  }
  std::unique_ptr<Sink> open(const SinkMaker& made) {
    auto sink = made.build(lane_.context());
    sink->open();
    return sink;
  }
  std::unique_ptr<Sink> open(const std::string& stream, const std::string& more = "") {
    return open(maker(server_.uri(), stream, more));
  }
  Error open_error(const SinkMaker& made) {
    try {
      open(made);
    } catch (const Error& error) {
      return error;
    }
    return {ErrorKind::limit, "it could be opened"};
  }
  // The fault that a delivery gets.
  Fault fault(Sink& sink, const Delivery& delivery) {
    const auto answer = lane_.deliver(sink, delivery);
    EXPECT_TRUE(answer.outcome.fault);
    return answer.outcome.fault.value_or(Fault{});
  }
  std::vector<std::int64_t> ids(const std::string& stream) { return testing::row_ids(server_.events(stream)); }

  Server& server_ = Server::shared();
  std::string stream_ = server_.new_stream();
  testing::BatchBuilder batches_;
  testing::Lane lane_;
};

TEST_F(RedisE2e, AnEntryHasItsFieldsInOrder) {
  auto sink = open(maker(server_.uri() + "/3", stream_));
  batches_.insert(7);
  ASSERT_TRUE(lane_.deliver(*sink, batches_.build()).delivered());
  EXPECT_THAT(server_.read(stream_), IsEmpty());
  const auto entries = server_.read(stream_, 3);
  ASSERT_EQ(entries.size(), 1u);
  const std::string& body = entries[0][0].second;
  const std::string id = testing::member(body, "event_id");
  EXPECT_EQ(
      entries[0],
      (Entry{{"event", body}, {"event_id", id}, {"idempotency_key", "_|shop.orders|700|" + id}, {"df-key", "7"}}));
}

TEST_F(RedisE2e, ATransactionIsOneExecAndALargeOneIsSeveral) {
  auto sink = open(stream_);
  auto transaction = [this](int rows) {
    for (int i = 0; i < rows; ++i) batches_.insert(i);
    batches_.commit();
  };
  server_.reset();
  transaction(512);
  ASSERT_TRUE(lane_.deliver(*sink, batches_.build()).delivered());
  EXPECT_EQ(server_.calls("exec"), 1);
  server_.reset();
  for (int i = 0; i < 3; ++i) transaction(100);  // join one another
  transaction(1500);
  transaction(36);  // joins the rest of the large one
  transaction(1);
  ASSERT_TRUE(lane_.deliver(*sink, batches_.build()).delivered());
  EXPECT_EQ(server_.calls("exec"), 5);
  EXPECT_EQ(server_.calls("multi"), 5);
  EXPECT_EQ(server_.calls("xadd"), 1837);
}

// Rows of 100 kB: a transaction is cut only where it does not fit into a slab.
TEST_F(RedisE2e, TransactionsOfLargeRows) {
  auto sink = open(stream_);
  server_.reset();
  for (int id = 0; id < 9; ++id) batches_.insert(id, std::string(100'000, 'x'));
  batches_.commit();
  for (int id = 9; id < 46; ++id) batches_.insert(id, std::string(100'000, 'x'));
  batches_.commit();
  ASSERT_TRUE(lane_.deliver(*sink, batches_.build()).delivered());
  EXPECT_EQ(server_.calls("exec"), 2);
  EXPECT_EQ(ids(stream_), sequence(0, 46));
}

TEST_F(RedisE2e, StreamsAreTrimmed) {
  auto sink = open(stream_, "maxlen: 5\nmaxlen_exact: true\n");
  ASSERT_TRUE(lane_.deliver(*sink, batches_.rows(0, 20)).delivered());
  EXPECT_EQ(ids(stream_), sequence(15, 5));
  sink = open(stream_, "maxlen: 1000\n");
  ASSERT_TRUE(lane_.deliver(*sink, batches_.rows(20, 5000)).delivered());
  const long length = std::stol(server_.cli({"XLEN", stream_}));
  EXPECT_GE(length, 1000);
  EXPECT_LT(length, 1200);
}

TEST_F(RedisE2e, OutOfMemoryIsTriedAgain) {
  auto sink = open(stream_);
  server_.set("maxmemory", "1000");
  const Delivery delivery = batches_.rows(0, 5);
  const Fault refused = fault(*sink, delivery);
  EXPECT_FALSE(refused.fatal);
  EXPECT_THAT(refused.message, AllOf(HasSubstr("OOM"), HasSubstr(stream_), HasSubstr("public.orders")));
  EXPECT_THAT(refused.hint, HasSubstr("maxmemory"));
  EXPECT_THAT(ids(stream_), IsEmpty());
  server_.set("maxmemory", "0");
  sink = open(stream_);
  ASSERT_TRUE(lane_.deliver(*sink, delivery).delivered());
  EXPECT_EQ(ids(stream_), sequence(0, 5));
}

TEST_F(RedisE2e, AReplicaIsTriedAgainUntilItIsPromoted) {
  Server replica;
  replica.cli({"REPLICAOF", "127.0.0.1", std::to_string(server_.port())});
  auto sink = open(maker(replica.uri(), stream_));
  const Delivery delivery = batches_.rows(0, 5);
  const Fault refused = fault(*sink, delivery);
  EXPECT_FALSE(refused.fatal);
  EXPECT_THAT(refused.message, HasSubstr("READONLY"));
  EXPECT_THAT(refused.hint, HasSubstr("promote"));
  replica.cli({"REPLICAOF", "NO", "ONE"});
  sink = open(maker(replica.uri(), stream_));
  ASSERT_TRUE(lane_.deliver(*sink, delivery).delivered());
  EXPECT_EQ(testing::row_ids(replica.events(stream_)), sequence(0, 5));
}

// The server refuses the first chunk and would take the second, which has arrived right behind it: it must not have it.
// While it is frozen both chunks pile up in its socket, and behind them, on another connection, the command that makes
// it take rows again; it reads 16 KiB of a connection, then looks at the others.
TEST_F(RedisE2e, WhatIsRefusedForAMomentIsNotOvertaken) {
  using Words = std::vector<std::string>;
  for (const auto& [refuse, take] :
       {std::pair(Words{"CONFIG", "SET", "maxmemory", "1000"}, Words{"CONFIG", "SET", "maxmemory", "0"}),
        std::pair(Words{"REPLICAOF", "127.0.0.1", "1"}, Words{"REPLICAOF", "NO", "ONE"})}) {
    const std::string stream = server_.new_stream();
    auto sink = open(stream);
    server_.reset();
    ASSERT_EQ(server_.cli(refuse), "OK\n");
    server_.freeze(true);
    const Delivery delivery = batches_.rows(0, 1024);  // two chunks
    lane_.send(*sink, delivery);
    lane_.drain(*sink, std::chrono::milliseconds(200));
    std::thread other([&, command = take] { EXPECT_EQ(server_.cli(command), "OK\n"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    server_.freeze(false);
    other.join();
    for (int i = 0; i < 100 && server_.calls("multi") < 2; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_EQ(server_.calls("multi"), 2) << "the second chunk did not arrive; the test does not test";
    lane_.drain(*sink);
    ASSERT_TRUE(lane_.answers().back().outcome.fault) << "nothing was refused; the test does not test";
    EXPECT_THAT(ids(stream), IsEmpty());
    sink = open(stream);
    ASSERT_TRUE(lane_.deliver(*sink, delivery).delivered());
    EXPECT_EQ(ids(stream), sequence(0, 1024));
  }
}

TEST_F(RedisE2e, AUserWithoutTheRightToWrite) {
  server_.allow_only({"~*", "+@all", "-xadd"});
  auto sink = open(maker(server_.user_uri(), stream_));
  const Fault refused = fault(*sink, batches_.rows(0, 5));
  EXPECT_TRUE(refused.fatal);
  EXPECT_EQ(refused.kind, ErrorKind::auth);
  EXPECT_THAT(refused.message, AllOf(HasSubstr("NOPERM"), Not(HasSubstr(Server::kPassword))));
  EXPECT_THAT(refused.hint, HasSubstr("ACL SETUSER"));
  server_.allow_only({"~other", "+@all"});
  sink = open(maker(server_.user_uri(), stream_));
  EXPECT_EQ(fault(*sink, batches_.rows(0, 5)).kind, ErrorKind::auth);
  EXPECT_THAT(ids(stream_), IsEmpty());

  server_.allow_only({"~" + stream_, "+multi", "+exec", "+xadd"});  // as the remedy says
  sink = open(maker(server_.user_uri(), stream_));
  EXPECT_TRUE(lane_.deliver(*sink, batches_.rows(0, 5)).delivered());
}

// Without MULTI each XADD behind it would be taken by itself, once more with every attempt.
TEST_F(RedisE2e, AUserWithoutTheRightToATransaction) {
  for (const char* right : {"-multi", "-exec"}) {
    server_.allow_only({"~*", "+@all", right});
    const SinkMaker made = maker(server_.user_uri(), stream_);
    const Error refused = open_error(made);
    EXPECT_EQ(refused.kind(), ErrorKind::auth) << right;
    EXPECT_THAT(refused.what(), AllOf(HasSubstr("NOPERM"), HasSubstr(right + 1)));
    EXPECT_THAT(refused.hint(), HasSubstr("ACL SETUSER"));
  }
}

TEST_F(RedisE2e, PasswordsAndDatabases) {
  const Error wrong = open_error(maker(server_.user_uri("canary-wrong"), stream_));
  EXPECT_EQ(wrong.kind(), ErrorKind::auth);
  EXPECT_THAT(wrong.what(), AllOf(HasSubstr("WRONGPASS"), Not(HasSubstr("canary"))));
  EXPECT_EQ(open_error(maker("redis://:p@127.0.0.1:" + std::to_string(server_.port()), stream_)).kind(),
            ErrorKind::auth);
  EXPECT_EQ(open_error(maker(server_.uri() + "/99", stream_)).kind(), ErrorKind::config);
  server_.cli({"ACL", "SETUSER", "default", "resetpass", ">x"});
  const Error missing = open_error(maker(server_.uri(), stream_));
  server_.cli({"-a", "x", "ACL", "SETUSER", "default", "nopass"});
  EXPECT_EQ(missing.kind(), ErrorKind::auth);
  EXPECT_THAT(missing.what(), HasSubstr("NOAUTH"));
  EXPECT_EQ(open_error(maker("redis://127.0.0.1:1", stream_)).kind(), ErrorKind::unavailable);
}

// EXEC does not undo: the other row is written, comes again, and the order of each stream holds.
TEST_F(RedisE2e, OneRefusedCommandInsideExec) {
  const std::string bad = stream_ + "-customer-1", good = stream_ + "-customer-2";
  server_.cli({"SET", bad, "a string"});
  auto sink = open(stream_ + "-${after.customer}");
  batches_.insert(2);
  batches_.insert(1);
  batches_.insert(12);
  const Delivery delivery = batches_.build();
  const Fault refused = fault(*sink, delivery);
  EXPECT_TRUE(refused.fatal);
  EXPECT_EQ(refused.kind, ErrorKind::config);
  EXPECT_THAT(refused.message, AllOf(HasSubstr("WRONGTYPE"), HasSubstr(bad), HasSubstr("1 of 3 entries")));
  EXPECT_THAT(refused.hint, HasSubstr("remove that key"));
  EXPECT_EQ(ids(good), (std::vector<std::int64_t>{2, 12}));
  server_.cli({"DEL", bad});
  sink = open(stream_ + "-${after.customer}");
  ASSERT_TRUE(lane_.deliver(*sink, delivery).delivered());
  EXPECT_EQ(ids(good), (std::vector<std::int64_t>{2, 12, 2, 12}));
  EXPECT_EQ(ids(bad), (std::vector<std::int64_t>{1}));
}

// Whether the server tells its limit or the user may not ask for it: all before the row arrives, once, nothing behind.
TEST_F(RedisE2e, ARowThatIsTooLargeBlocks) {
  server_.set("proto-max-bulk-len", "1mb");
  for (int id = 0; id < 30; ++id) batches_.insert(id, std::string(id == 21 ? 2'000'000 : 50'000, 'x'));
  const Delivery delivery = batches_.build(), later = batches_.rows(30, 5);
  for (const bool tells : {true, false}) {
    if (!tells) server_.allow_only({"~*", "+@all", "-config"});
    const std::string stream = server_.new_stream();
    auto sink = open(maker(server_.user_uri(), stream));
    lane_.send(*sink, delivery);
    const auto before = lane_.answers().size();
    lane_.send(*sink, later);
    lane_.drain(*sink, std::chrono::seconds(2));
    ASSERT_EQ(lane_.answers().size(), before + 1) << tells;
    const Outcome outcome = lane_.answers().back().outcome;
    ASSERT_TRUE(outcome.refused) << (outcome.fault ? outcome.fault->message : "delivered");
    EXPECT_EQ(outcome.refused->event, 21u);
    EXPECT_EQ(outcome.refused->kind, "too_large");
    EXPECT_THAT(outcome.refused->reason, HasSubstr("proto-max-bulk-len"));
    EXPECT_EQ(ids(stream), sequence(0, 21));
    sink.reset();
  }
}

TEST_F(RedisE2e, AnEventWithoutAStreamBlocks) {
  auto sink = open(stream_ + "${after.note}");
  batches_.insert(1, "x");
  batches_.remove(2);
  batches_.insert(3, "x");
  const auto answer = lane_.deliver(*sink, batches_.build());
  ASSERT_TRUE(answer.outcome.refused);
  EXPECT_EQ(answer.outcome.refused->event, 1u);
  EXPECT_EQ(answer.outcome.refused->kind, "routing");
  EXPECT_EQ(ids(stream_ + "x"), (std::vector<std::int64_t>{1}));
}

TEST_F(RedisE2e, CertificatesAreChecked) {
  const std::string ca = "tls:\n  ca_file: " + server_.ca_file() + "\n";
  auto sink = open(maker(server_.tls_uri(), stream_, ca));
  EXPECT_TRUE(lane_.deliver(*sink, batches_.rows(0, 5)).delivered());
  const Error unknown = open_error(maker(server_.tls_uri(), stream_));
  EXPECT_EQ(unknown.kind(), ErrorKind::auth);
  EXPECT_THAT(unknown.what(), AllOf(HasSubstr("certificate"), HasSubstr("tls.ca_file")));
  const Error other_name = open_error(maker(server_.tls_uri("127.0.0.1"), stream_, ca));
  EXPECT_EQ(other_name.kind(), ErrorKind::auth);
  EXPECT_THAT(other_name.what(), HasSubstr("mismatch"));
  EXPECT_EQ(open_error(maker(server_.tls_uri(), stream_, "tls:\n  ca_file: /not/there.pem\n")).kind(),
            ErrorKind::config);
  sink = open(maker(server_.tls_uri("127.0.0.1"), stream_, "tls:\n  insecure_skip_verify: true\n"));
  EXPECT_TRUE(lane_.deliver(*sink, batches_.rows(5, 5)).delivered());
  EXPECT_EQ(ids(stream_), sequence(0, 10));
  // A port without TLS does not say so, it waits for more.
  const Error plain = open_error(
      maker("rediss://localhost:" + std::to_string(server_.port()), stream_, ca + "connect_timeout_secs: 1\n"));
  EXPECT_EQ(plain.kind(), ErrorKind::unavailable);
  EXPECT_THAT(plain.what(), HasSubstr("redis:// is for"));
}

TEST_F(RedisE2e, AServerThatIsSilentIsGivenUp) {
  auto sink = open(stream_, "send_timeout_secs: 1\n");
  server_.freeze(true);
  const auto began = std::chrono::steady_clock::now();
  const Fault silent = fault(*sink, batches_.rows(0, 5));
  server_.freeze(false);
  EXPECT_FALSE(silent.fatal);
  EXPECT_THAT(silent.message, HasSubstr("send_timeout_secs"));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

TEST_F(RedisE2e, AnIdleConnectionMayBeClosed) {
  auto sink = open(stream_);
  ASSERT_TRUE(lane_.deliver(*sink, batches_.rows(0, 5)).delivered());
  server_.cli({"CLIENT", "KILL", "TYPE", "normal"});
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_TRUE(lane_.deliver(*sink, batches_.rows(5, 5)).delivered());
  EXPECT_EQ(ids(stream_), sequence(0, 10));
}

}  // namespace
}  // namespace deltaforge::sinks::redis::e2e
