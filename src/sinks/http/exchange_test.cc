// What a request comes to when it does not go well: against a pretended server on a loopback socket.
#include "sinks/http/exchange.h"

#include <functional>
#include <string>
#include <thread>

#include <curl/curl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/http/classify.h"
#include "sinks/testing/fake_server.h"

namespace deltaforge::sinks::http {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Action = Verdict::Action;

class HttpExchange : public ::testing::Test {
 protected:
  struct Result {
    Exchange::Answer answer;
    Verdict verdict;
  };
  // A request to the server, which does what the test says once it is connected.
  Result request(const std::string& scheme, const std::function<void()>& server, std::size_t body = 10) {
    Config config;
    config.connect_timeout_secs = config.send_timeout_secs = 1;
    Exchange exchange(config);
    exchange.url = scheme + "://127.0.0.1:" + std::to_string(server_.port()) + "/";
    exchange.body.assign(body, 'x');
    exchange.headers.leave_out("Expect");
    exchange.begin();
    std::thread answering([&] {
      server_.accept();
      server();
    });
    const Exchange::Answer answer = exchange.answer(curl_easy_perform(exchange.handle()));
    answering.join();
    return {answer,
            answer.failure != 0 ? classify_failure(answer.failure, answer.sent) : classify_status(answer.status)};
  }
  testing::FakeServer server_;
};

TEST_F(HttpExchange, NoConnectionInTimeIsNoSlowServer) {
  const Result result = request("https", [] {});
  EXPECT_EQ(result.answer.failure, CURLE_OPERATION_TIMEDOUT);
  EXPECT_EQ(result.verdict.action, Action::away);
  EXPECT_THAT(result.verdict.hint, AllOf(HasSubstr("connect_timeout_secs"), Not(HasSubstr("send_timeout_secs"))));
}

TEST_F(HttpExchange, ASlowServerIsNotAway) {
  const Result result = request("http", [this] { server_.receive(500); });
  EXPECT_EQ(result.answer.failure, CURLE_OPERATION_TIMEDOUT);
  EXPECT_EQ(result.verdict.action, Action::retry);
  EXPECT_THAT(result.verdict.hint, HasSubstr("send_timeout_secs"));
}

// A server that does not want to read the rest of a large body says so and hangs up.
TEST_F(HttpExchange, WhatTheServerSaidCountsThoughItHangsUp) {
  const auto refuse = [this](const char* head) {
    return [this, head] {
      while (server_.received().find("\r\n\r\n") == std::string::npos) server_.receive(1000);
      server_.say(head);
      server_.hang_up();
    };
  };
  Result result = request("http", refuse("HTTP/1.1 413 X\r\nContent-Length: 100\r\n\r\nabc"));
  EXPECT_EQ(result.verdict.action, Action::refused);
  EXPECT_EQ(result.answer.text, "413 Content Too Large");
  result = request("http", refuse("HTTP/1.1 413 X\r\nContent-Length: 100\r\n\r\nabc"), 8 * 1024 * 1024);
  EXPECT_EQ(result.verdict.action, Action::refused);
  result = request("http", refuse("HTTP/1.1 401 X\r\nContent-Length: 100\r\n\r\n"));
  EXPECT_EQ(result.verdict.action, Action::stop);
  result = request("http", refuse("HTTP/1.1 503 X\r\nContent-Length: 100\r\n\r\n"));
  EXPECT_EQ(result.verdict.action, Action::retry);
  EXPECT_EQ(result.answer.text, "503 Service Unavailable");
  result = request("http", refuse("HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n"));
  EXPECT_EQ(result.verdict.action, Action::delivered);
  // What is none of these says nothing of the event.
  for (const char* head : {"HTTP/1.1 41", "HTTP/1.1 100 Continue\r\n\r\n"}) {
    result = request("http", refuse(head));
    EXPECT_EQ(result.verdict.action, Action::retry) << head;
  }
}

}  // namespace
}  // namespace deltaforge::sinks::http
