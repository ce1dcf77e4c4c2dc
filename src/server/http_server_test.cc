#include "server/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <future>
#include <thread>
#include <vector>

#include "base/error.h"

namespace deltaforge::server {
namespace {

Fd dial(std::uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval limit{5, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

// All that comes until the server closes the connection.
std::string read_all(const Fd& fd) {
  std::string answer;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;)
    answer.append(buffer.data(), static_cast<std::size_t>(got));
  return answer;
}

ssize_t put(const Fd& fd, std::string_view bytes) { return send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); }

// What the server says to these bytes until it closes the connection.
std::string tell(std::uint16_t port, std::string_view bytes) {
  Fd fd = dial(port);
  put(fd, bytes);
  return read_all(fd);
}

// The whole answer to one request; the server closes the connection.
std::string ask(std::uint16_t port, const std::string& head, const std::string& body = {}) {
  Fd fd = dial(port);
  std::string request = head + "\r\nHost: localhost\r\nConnection: close\r\n";
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  request += "\r\n" + body;
  EXPECT_EQ(send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  return read_all(fd);
}

const Address kAny{"127.0.0.1", 0};

TEST(HttpServer, CarriesMethodPathQueryAndAnswer) {
  HttpServer server(kAny, "--api-addr", [](const Request& request) {
    std::string text = request.method + " " + request.path;
    for (const auto& [key, value] : request.query) text += " " + key + "=" + value;
    return Response{405, text, "text/plain", "GET"};
  });
  std::string answer = ask(server.port(), "POST /pipelines/a%20b?label=k:v&label=x HTTP/1.1", "{}");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 405 ")) << answer;
  EXPECT_NE(answer.find("\r\n\r\nPOST /pipelines/a b label=k:v label=x"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Allow: GET\r\n"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Content-Type: text/plain\r\n"), std::string::npos) << answer;
}

TEST(HttpServer, AThrowingHandlerIsAnswered500) {
  HttpServer server(kAny, "--api-addr", [](const Request&) -> Response { throw std::runtime_error("secret detail"); });
  std::string answer = ask(server.port(), "GET / HTTP/1.1");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
  EXPECT_NE(answer.find("INTERNAL_ERROR"), std::string::npos);
  EXPECT_EQ(answer.find("secret detail"), std::string::npos);
}

TEST(HttpServer, ASlowRequestDoesNotDelayAnother) {
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  HttpServer server(kAny, "--api-addr", [gone](const Request& request) {
    if (request.path == "/slow") gone.wait();
    return Response{200, request.path};
  });
  std::jthread slow([&] { EXPECT_NE(ask(server.port(), "GET /slow HTTP/1.1").find("/slow"), std::string::npos); });
  for (int i = 0; i < 20; ++i) EXPECT_NE(ask(server.port(), "GET /quick HTTP/1.1").find("/quick"), std::string::npos);
  go.set_value();
}

Response echo(const Request& request) { return {200, request.path + "|" + request.body + "|"}; }

TEST(HttpServer, CarriesBodyHeadersAndPeer) {
  HttpServer server(kAny, "--api-addr", [](const Request& request) {
    return Response{401,
                    request.body + "|" + request.content_type + "|" + request.authorization + "|" + request.origin +
                        "|" + request.host + "|" + request.peer + "|",
                    "text/plain", "", "Bearer"};
  });
  std::string body(100'000, 'b');
  body[7] = '\0';
  std::string answer = ask(
      server.port(), "POST / HTTP/1.1\r\nContent-Type: a/b; c=d\r\nAUTHORIZATION: Bearer x y\r\nOrigin: null", body);
  EXPECT_NE(answer.find(body + "|a/b; c=d|Bearer x y|null|localhost|127.0.0.1|"), std::string::npos);
  EXPECT_NE(answer.find("WWW-Authenticate: Bearer\r\n"), std::string::npos) << answer.substr(0, 500);
  EXPECT_NE(ask(server.port(), "GET / HTTP/1.1").find("\r\n\r\n||||localhost|127.0.0.1|"), std::string::npos);
}

TEST(HttpServer, TwoRequestsOnOneConnectionShareNothing) {
  HttpServer server(kAny, "--api-addr", echo);
  std::string answer =
      tell(server.port(),
           "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
           "GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("\r\n\r\n/a|abc|HTTP/1.1 200"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n/b||")) << answer;
}

TEST(HttpServer, ABodyUpToTheLimitIsTakenAndOneByteMoreIs413) {
  HttpServer server(kAny, "--api-addr", [](const Request& request) {
    return Response{200, std::to_string(request.body.size())};
  });
  const std::string limit = std::to_string(HttpServer::kMaxBody);
  std::string body(HttpServer::kMaxBody + 1, 'x');
  EXPECT_TRUE(ask(server.port(), "POST / HTTP/1.1", body.substr(1)).ends_with("\r\n\r\n" + limit));
  const std::string kTooLarge =
      R"({"code":"BODY_TOO_LARGE","message":"the body is larger than )" + limit + R"( bytes"})";
  auto expect_too_large = [&](const std::string& answer) {
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\n" + kTooLarge)) << answer;
    EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos) << answer;
  };
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
  expect_too_large(tell(server.port(), head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body));
  expect_too_large(tell(server.port(), head + "Transfer-Encoding: chunked\r\n\r\n100001\r\n" + body + "\r\n0\r\n\r\n"));
  // What only announces too much need not send it.
  expect_too_large(tell(server.port(), head + "Content-Length: 100000000\r\n\r\n"));
  expect_too_large(tell(server.port(), head + "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n"));
}

TEST(HttpServer, AllBodiesTogetherAreBounded) {
  HttpServer server(kAny, "--api-addr", [](const Request&) { return Response{}; });
  const std::string head =
      "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + std::to_string(HttpServer::kMaxBody) +
      "\r\n\r\n";
  const std::string body(HttpServer::kMaxBody, 'x');
  std::vector<Fd> unfinished;
  for (std::size_t i = 0; i < HttpServer::kMaxBodies / HttpServer::kMaxBody; ++i) {
    unfinished.push_back(dial(server.port()));
    put(unfinished.back(), head + body.substr(1));
  }
  auto busy = [&] { return tell(server.port(), head + body).starts_with("HTTP/1.1 503 "); };
  bool refused = false;
  for (int i = 0; i < 100 && !refused; ++i) refused = busy();  // until the server has read them
  EXPECT_TRUE(refused);
  EXPECT_NE(tell(server.port(), head + body).find(R"("code":"BUSY")"), std::string::npos);
  unfinished.clear();
  bool served = false;
  for (int i = 0; i < 100 && !served; ++i) served = !busy();
  EXPECT_TRUE(served) << "what was given up takes no room any more";
}

TEST(HttpServer, WhatTwoReadersCouldUnderstandDifferentlyIsRefused) {
  HttpServer server(kAny, "--api-addr", echo);
  using namespace std::string_view_literals;
  for (std::string_view request : {
           "GET /p%00x HTTP/1.1\r\nHost: x\r\n\r\n"sv,
           "GET /p%0d HTTP/1.1\r\nHost: x\r\n\r\n"sv,
           "GET /p\0x HTTP/1.1\r\nHost: x\r\n\r\n"sv,
           "GET /p\0HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n"sv,
           "GET http://x/p HTTP/1.1\r\nHost: x\r\n\r\n"sv,
           "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"sv,
           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"sv,
           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\nab"sv,
           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"sv,
           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"sv,
           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"sv,
           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 2\r\n\r\nab"sv,
       }) {
    std::string answer = tell(server.port(), request);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << request << "\n" << answer;
    EXPECT_NE(answer.find(R"({"code":"BAD_REQUEST","message":")"), std::string::npos) << request << "\n" << answer;
  }
}

// These are refused by libmicrohttpd itself: the status counts.
TEST(HttpServer, WhatIsNoHttpIsRefused) {
  HttpServer server(kAny, "--api-addr", echo);
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
  const std::vector<std::pair<std::string, std::string>> kCases{
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", "400"},
      {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", "505"},
      {head + "Content-Length: 2x\r\n\r\nab", "400"},
      {head + "Content-Length: -2\r\n\r\nab", "400"},
      {head + "Content-Length: 99999999999999999999999\r\n\r\nab", "413"},
      {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
      {head + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "400"},
      {head + "X: " + std::string(20'000, 'x') + "\r\n\r\n", "431"},
      {"GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\n\r\n", "414"}};
  for (const auto& [request, status] : kCases) {
    std::string answer = tell(server.port(), request);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + status + " ")) << request.substr(0, 200) << "\n" << answer;
  }
}

class SlowPeer : public ::testing::Test {
 protected:
  static constexpr std::chrono::milliseconds kLimit{300};

  // Sends a byte every 50 ms until the server ends it. How long that took, and what it said.
  static std::pair<std::chrono::milliseconds, std::string> drip(const Fd& fd) {
    auto begin = std::chrono::steady_clock::now();
    while (put(fd, "x") == 1 && std::chrono::steady_clock::now() - begin < std::chrono::seconds(5))
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    return {took, read_all(fd)};
  }
  static void expect_late(const Fd& fd) {
    auto [took, answer] = drip(fd);
    EXPECT_GT(took, kLimit / 2);
    EXPECT_LT(took, std::chrono::seconds(4));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
    EXPECT_NE(answer.find(R"({"code":"REQUEST_TIMEOUT")"), std::string::npos) << answer;
  }
};

TEST_F(SlowPeer, AHeadHasItsTimeHoweverItDrips) {
  HttpServer server(kAny, "--api-addr", echo, {}, {kLimit, std::chrono::hours(1), std::chrono::hours(1)});
  expect_late(dial(server.port()));
  Fd headers = dial(server.port());
  put(headers, "GET / HTTP/1.1\r\nHost: ");
  expect_late(headers);
}

TEST_F(SlowPeer, ABodyHasItsTimeHoweverItDrips) {
  HttpServer server(kAny, "--api-addr", echo, {}, {std::chrono::hours(1), kLimit, std::chrono::hours(1)});
  Fd fd = dial(server.port());
  put(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
  expect_late(fd);
}

TEST_F(SlowPeer, AnIdleConnectionIsClosedWithoutAWord) {
  HttpServer server(kAny, "--api-addr", echo, {}, {std::chrono::hours(1), std::chrono::hours(1), kLimit});
  std::string answer = tell(server.port(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");  // and waits
  EXPECT_TRUE(answer.ends_with("\r\n\r\n/||")) << answer;
}

TEST_F(SlowPeer, AHandlerMayTakeLonger) {
  HttpServer server(kAny, "--api-addr",
                    [](const Request& request) {
                      std::this_thread::sleep_for(3 * kLimit);
                      return echo(request);
                    },
                    {}, {kLimit, kLimit, kLimit});
  EXPECT_TRUE(ask(server.port(), "POST /a HTTP/1.1", "body").ends_with("/a|body|"));
}

TEST(HttpServer, ConnectionsAreBounded) {
  HttpServer server(kAny, "--api-addr", echo);
  std::vector<Fd> all;
  for (unsigned i = 0; i < HttpServer::kMaxConnections; ++i) all.push_back(dial(server.port()));
  const std::string request = "GET /last HTTP/1.1\r\nHost: x\r\n\r\n";
  put(all.back(), request);
  char first = 0;
  EXPECT_EQ(recv(all.back().get(), &first, 1, 0), 1) << "the last one is served, and stays";
  Fd one_more = dial(server.port());
  put(one_more, "GET /more HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(read_all(one_more).find("/more"), std::string::npos);
  all.clear();
  bool served = false;
  for (int i = 0; i < 100 && !served; ++i)
    served = tell(server.port(), "GET /again HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ends_with("/again||");
  EXPECT_TRUE(served);
}

TEST(HttpServer, ABodyWithoutEndIsCutOff) {
  bool called = false;
  HttpServer server(kAny, "--api-addr", [&called](const Request&) {
    called = true;
    return Response{};
  });
  Fd fd = dial(server.port());
  std::string head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n";
  send(fd.get(), head.data(), head.size(), MSG_NOSIGNAL);
  std::string block(64 * 1024, 'x');
  std::size_t sent = 0;
  while (sent < 100'000'000) {
    ssize_t size = send(fd.get(), block.data(), block.size(), MSG_NOSIGNAL);
    if (size <= 0) break;
    sent += static_cast<std::size_t>(size);
  }
  EXPECT_LT(sent, 50'000'000U);
  EXPECT_FALSE(called);
}

TEST(HttpServer, ATakenPortIsNamedWithItsFlag) {
  HttpServer first(kAny, "--api-addr", [](const Request&) { return Response{}; });
  try {
    HttpServer second({"127.0.0.1", first.port()}, "--metrics-addr", [](const Request&) { return Response{}; });
    FAIL() << "two listeners on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "listening on 127.0.0.1:" + std::to_string(first.port()) + ": Address already in use");
    EXPECT_NE(error.hint().find("--metrics-addr"), std::string::npos);
  }
}

}  // namespace
}  // namespace deltaforge::server
