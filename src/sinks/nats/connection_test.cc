// A connection, and a server that says what the test wants: what goes wrong before and after the login.
#include "sinks/nats/connection.h"

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/testing/batch_builder.h"
#include "sinks/testing/config_check.h"
#include "sinks/testing/fake_server.h"

namespace deltaforge::sinks::nats {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::string_view kInfo = "INFO {\"headers\":true,\"max_payload\":1048576} \r\n";

struct Component {
  using Config = nats::Config;
};

class NatsConnection : public ::testing::Test {
 protected:
  std::unique_ptr<Connection> connect(const std::function<void()>& server, const std::string& more = "") {
    Config config;
    const std::string url = "nats://127.0.0.1:" + std::to_string(server_.port());
    EXPECT_THAT(
        testing::problems<Component>(
            "id: n\nsubject: s\nsend_timeout_secs: 1\nconnect_timeout_secs: 1\nurl: " + url + "\n" + more, &config),
        IsEmpty());
    std::thread answering([&] {
      server_.accept();
      server();
    });
    struct Join {
      std::thread& thread;
      ~Join() { thread.join(); }
    } const join{answering};
    return nats::connect(config, "test");
  }
  void log_in() {
    server_.say(kInfo);
    server_.receive(1000);
    server_.say("PONG\r\n");
  }
  Error error(const std::function<void()>& server, const std::string& more = "") {
    try {
      connect(server, more);
    } catch (const Error& error) {
      return error;
    }
    return {ErrorKind::limit, "it was connected"};
  }
  // The server's other side, while this thread waits for an answer.
  std::optional<std::string> ask(Connection& connection, const std::function<void()>& server) {
    std::thread answering([&] {
      // What ends the login may come by itself.
      for (int i = 0; i < 5 && server_.received().find("PUB $JS.API.X ") == std::string::npos; ++i)
        server_.receive(1000);
      server();
    });
    struct Join {
      std::thread& thread;
      ~Join() { thread.join(); }
    } const join{answering};
    return connection.ask("$JS.API.X", "{}");
  }
  // Where a question is to be answered.
  std::string inbox() const {
    const std::size_t at = server_.received().rfind("PUB $JS.API.X ") + 14;
    return server_.received().substr(at, server_.received().find(' ', at) - at);
  }

  testing::FakeServer server_;
};

TEST_F(NatsConnection, WhatIsSaidAtTheLogin) {
  const auto connection = connect([this] { log_in(); });
  EXPECT_EQ(connection->max_payload(), 1048576u);
  EXPECT_THAT(server_.received(), AllOf(StartsWith("CONNECT {"), EndsWith("}\r\nPING\r\n")));
  server_.receive(1000);
  EXPECT_THAT(server_.received(), AllOf(HasSubstr("PING\r\nSUB _INBOX."), EndsWith(".* 1\r\n")));
}

TEST_F(NatsConnection, WhatIsNoServer) {
  const auto began = std::chrono::steady_clock::now();
  Error found = error([] {});
  EXPECT_EQ(found.kind(), ErrorKind::unavailable);
  EXPECT_THAT(found.what(), HasSubstr("no answer in time"));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3));
  found = error([this] { server_.say("HTTP/1.1 400 Bad Request\r\n"); });
  EXPECT_EQ(found.kind(), ErrorKind::unavailable);
  EXPECT_THAT(found.what(), HasSubstr("that is no NATS"));
  EXPECT_THAT(error([this] { server_.say("INFO {\r\n"); }).what(), HasSubstr("that is no NATS"));
  EXPECT_EQ(error([this] { server_.say("INFO {\"max_payload\":1}\r\n"); }).kind(), ErrorKind::unsupported);
  found = error([this] { server_.hang_up(); });
  EXPECT_EQ(found.kind(), ErrorKind::unavailable);
  EXPECT_THAT(found.what(), HasSubstr("closed"));
}

TEST_F(NatsConnection, WhyTheLoginWasRefused) {
  const auto refused_with = [this](const char* why) {
    return error([this, why] {
      server_.say(kInfo);
      server_.receive(1000);
      server_.say(std::string("-ERR '") + why + "'\r\n");
      server_.hang_up();
    });
  };
  Error found = refused_with("Authorization Violation");
  EXPECT_EQ(found.kind(), ErrorKind::auth);
  EXPECT_THAT(found.what(), AllOf(HasSubstr("Authorization Violation"), HasSubstr("credentials_file")));
  EXPECT_EQ(refused_with("Authentication Timeout").kind(), ErrorKind::unavailable) << "the server was slow";
  found = refused_with("maximum connections exceeded");
  EXPECT_EQ(found.kind(), ErrorKind::unavailable);
  EXPECT_THAT(found.what(), HasSubstr("maximum connections exceeded"));
}

TEST_F(NatsConnection, WhatComesBeforeTlsIsNotTrusted) {
  // A PONG before it was asked for is none.
  EXPECT_EQ(error([this] {
              server_.say(std::string(kInfo) + "PONG\r\nPONG\r\n");
              server_.receive(1000);
              server_.say("-ERR 'Authorization Violation'\r\n");
            }).kind(),
            ErrorKind::auth);
  EXPECT_THAT(error([this] { server_.say("INFO {\"headers\":true,\"tls_required\":true}\r\nMSG"); }).what(),
              HasSubstr("before TLS"));
  EXPECT_EQ(error([this] { server_.say(kInfo); }, "tls: {}\n").kind(), ErrorKind::config);
}

TEST_F(NatsConnection, AQuestionAndWhatComesBetween) {
  auto connection = connect([this] { log_in(); });
  const auto answer = ask(*connection, [this] {
    std::string acknowledgement = inbox();
    acknowledgement.replace(acknowledgement.rfind('.'), std::string::npos, ".7");
    server_.say("PING\r\nMSG " + acknowledgement + " 1 22\r\n{\"stream\":\"S\",\"seq\":9}\r\nMSG other.x 1 0\r\n\r\n");
    server_.say("INFO {\"headers\":true,\"max_payload\":99}\r\nMSG " + inbox() + " 1 2\r\nok\r\n");
  });
  EXPECT_EQ(answer, "ok");
  EXPECT_EQ(connection->max_payload(), 99u);
  std::vector<Answer> answers;
  connection->receive(answers);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].number, 7u);
  EXPECT_EQ(answers[0].seq, 9u);
  connection->write();
  server_.receive(1000);
  EXPECT_THAT(server_.received(), HasSubstr("PONG\r\n"));
}

TEST_F(NatsConnection, AQuestionThatNobodyAnswers) {
  auto connection = connect([this] { log_in(); });
  EXPECT_EQ(ask(*connection, [this] { server_.say("HMSG " + inbox() + " 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"); }),
            std::nullopt);
  try {
    ask(*connection, [] {});
    FAIL();
  } catch (const Error& found) {
    EXPECT_EQ(found.kind(), ErrorKind::unavailable);
  }
  try {
    ask(*connection, [this] { server_.say("-ERR 'Permissions Violation for Publish to \"$JS.API.X\"'\r\n"); });
    FAIL();
  } catch (const Error& found) {
    EXPECT_EQ(found.kind(), ErrorKind::auth);
    EXPECT_THAT(found.what(), AllOf(HasSubstr("$JS.API.X"), HasSubstr("STREAM.INFO")));
  }
}

TEST_F(NatsConnection, WhatCameBeforeTheEndCounts) {
  auto connection = connect([this] { log_in(); });
  ask(*connection, [this] { server_.say("MSG " + inbox() + " 1 0\r\n\r\n"); });
  std::string acknowledgement = inbox();
  acknowledgement.replace(acknowledgement.rfind('.'), std::string::npos, ".1");
  server_.say("MSG " + acknowledgement + " 1 22\r\n{\"stream\":\"S\",\"seq\":1}\r\n-ERR 'Stale Connection'\r\n");
  server_.hang_up();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::vector<Answer> answers;
  connection->receive(answers);
  EXPECT_EQ(answers.size(), 1u);
  try {
    connection->check();
    FAIL();
  } catch (const Error& found) {
    EXPECT_EQ(found.kind(), ErrorKind::unavailable);
    EXPECT_THAT(found.what(), HasSubstr("Stale Connection"));
  }
}

// Servers and proxies may tell one thing alone, such as the other servers of a cluster.
TEST_F(NatsConnection, WhatIsNotSaidAgainStaysAsItWas) {
  auto connection = connect([this] {
    server_.say("INFO {\"headers\":true,\"max_payload\":4096}\r\n");
    server_.receive(1000);
    server_.say("PONG\r\n");
  });
  ask(*connection,
      [this] { server_.say("INFO {\"connect_urls\":[\"127.0.0.1:4223\"]}\r\nMSG " + inbox() + " 1 0\r\n\r\n"); });
  EXPECT_EQ(connection->max_payload(), 4096u);
}

// Servers take the first place where such a name stands for the header.
TEST_F(NatsConnection, WhatOrdersAMessageStandsBeforeWhatARowGives) {
  Config config;
  ASSERT_THAT(testing::problems<Component>("id: n\nsubject: s\nurl: nats://h\nkey: \"${after.note}\"\n", &config),
              IsEmpty());
  SinkContext context;
  context.pipeline = "shop";
  MessageWriter writer(config, context);
  testing::BatchBuilder batches;
  batches.insert(7, "Nats-Expected-Last-Sequence: 1 Nats-Expected-Last-Msg-Id: x");
  const Delivery delivery = batches.build();
  Slab slab;
  ASSERT_FALSE(writer.write(*delivery.batch, delivery.batch->event(0), slab));

  auto connection = connect([this] { log_in(); });
  server_.receive(1000);
  Expectation expected;
  expected.last_sequence = 41;
  expected.last_id = "before";
  connection->publish(writer, slab, expected, 9);
  connection->write();
  server_.receive(1000);
  const std::string& sent = server_.received();
  const std::string headers = sent.substr(sent.find("NATS/1.0"));
  EXPECT_THAT(headers, StartsWith("NATS/1.0\r\nNats-Expected-Last-Sequence: 41\r\nNats-Expected-Last-Msg-Id: before\r\n"
                                  "Nats-Msg-Id: shop.n:"));
  EXPECT_THAT(headers, HasSubstr("\r\ndf-key: Nats-Expected-Last-Sequence: 1 Nats-"));
  const std::string line = sent.substr(sent.find("HPUB"), sent.find("\r\n", sent.find("HPUB")) - sent.find("HPUB"));
  const std::size_t size = headers.find("\r\n\r\n") + 4, payload = writer.payload(slab).size();
  EXPECT_THAT(line, EndsWith(".9 " + std::to_string(size) + " " + std::to_string(size + payload)));
  EXPECT_EQ(headers.size(), size + payload + 2);
}

// Credentials are renewed while we run; only the next login tells whether they were.
TEST_F(NatsConnection, ALoginThatExpiresIsMadeAgain) {
  auto connection = connect([this] { log_in(); });
  std::vector<Answer> answers;
  const auto said = [&](const std::string& text) {
    server_.say("-ERR '" + text + "'\r\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    connection->receive(answers);
    try {
      connection->check();
    } catch (const Error& found) {
      EXPECT_THAT(found.what(), HasSubstr(text));
      return found.kind();
    }
    return ErrorKind::limit;
  };
  EXPECT_EQ(said("User Authentication Expired"), ErrorKind::unavailable);
  connection = connect([this] { log_in(); });
  EXPECT_EQ(said("Permissions Violation for Publish to \"x\""), ErrorKind::auth);
}

// One that lets clients in may be of no use all the same: cut off from its cluster.
TEST(NatsServers, ANewConnectionBeginsWithTheNextServer) {
  testing::FakeServer one, two;
  Config config;
  const auto url = [](testing::FakeServer& of) { return "nats://127.0.0.1:" + std::to_string(of.port()); };
  EXPECT_THAT(testing::problems<Component>("id: n\nsubject: s\nurl: '" + url(one) + "," + url(two) + "'\n", &config),
              IsEmpty());
  for (testing::FakeServer* server : {&one, &two, &one}) {
    std::thread answering([server] {
      server->accept();
      server->say(kInfo);
      server->receive(1000);
      server->say("PONG\r\n");
    });
    EXPECT_THAT(nats::connect(config, "test")->where(), EndsWith(std::to_string(server->port())));
    answering.join();
  }
}

}  // namespace
}  // namespace deltaforge::sinks::nats
