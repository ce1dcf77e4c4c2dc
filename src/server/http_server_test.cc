#include "server/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <future>
#include <thread>

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

// The whole answer to one request; the server closes the connection.
std::string ask(std::uint16_t port, const std::string& head, const std::string& body = {}) {
  Fd fd = dial(port);
  std::string request = head + "\r\nHost: localhost\r\nConnection: close\r\n";
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  request += "\r\n" + body;
  EXPECT_EQ(send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  std::string answer;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;)
    answer.append(buffer.data(), static_cast<std::size_t>(got));
  return answer;
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
