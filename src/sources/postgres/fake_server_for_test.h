// A server on loopback that says what a test tells it to, for answers that a real one gives only on a bad day. It
// takes one connection and runs the test's script on a thread of its own; a wait for the client is bounded.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "config/secret.h"
#include "sources/postgres/lsn.h"

namespace deltaforge::sources::postgres {

template <class Number>
std::string big_endian(Number number) {
  std::string out(sizeof number, '\0');
  store_big_endian(reinterpret_cast<std::byte*>(out.data()), number);
  return out;
}

// With its closing NUL.
inline std::string c_string(const std::string& text) { return text + '\0'; }

// What the script speaks to.
class FakeServerLink {
 public:
  explicit FakeServerLink(Fd socket) : socket_(std::move(socket)) {
    timeval limit{10, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }

  void send(char type, const std::string& body) {
    std::string message = type + big_endian(static_cast<std::uint32_t>(body.size() + 4)) + body;
    if (::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(message.size()))
      throw std::runtime_error("the client is gone");
  }
  // The body of the next message, which must be of this type.
  std::string receive(char type) {
    if (std::string got = read(1); got[0] != type) throw std::runtime_error("a message of type " + got);
    return read_body();
  }
  std::string receive_startup() { return read_body(); }

  // Lets the client in, as a server of version 13, which needs no further settings.
  void login() {
    receive_startup();
    send('R', big_endian(std::uint32_t{0}));
    send('S', c_string("server_version") + c_string("13.0"));
    send('K', big_endian(std::uint32_t{4711}) + big_endian(std::uint32_t{1}));
    send('Z', "I");
  }
  void fail(const std::string& sqlstate, const std::string& message) {
    send('E', "S" + c_string("FATAL") + "V" + c_string("FATAL") + "C" + c_string(sqlstate) + "M" + c_string(message) +
                  std::string(1, '\0'));
  }
  // Answers START_REPLICATION.
  void begin_streaming() {
    receive('Q');
    send('W', std::string(3, '\0'));
  }
  void stream(Lsn at, const std::string& message) {
    send('d', "w" + big_endian(number(at)) + big_endian(number(at)) + big_endian(std::uint64_t{0}) + message);
  }
  void keepalive(Lsn end, bool wants_reply = false) {
    send('d', "k" + big_endian(number(end)) + big_endian(std::uint64_t{0}) + std::string(1, wants_reply ? 1 : 0));
  }
  struct Status {
    Lsn written{}, flushed{};
  };
  Status receive_status() {
    std::string body = receive('d');
    ByteReader in(as_bytes(body).subspan(1));
    Status status;
    status.written = Lsn{in.u64()};
    status.flushed = Lsn{in.u64()};
    return status;
  }
  // No more is said; what the client says is read until it goes away.
  void end() {
    ::shutdown(socket_.get(), SHUT_WR);
    char buffer[1024];
    while (::recv(socket_.get(), buffer, sizeof buffer, 0) > 0) {
    }
  }

 private:
  std::string read(std::size_t size) {
    std::string out(size, '\0');
    if (size > 0 && ::recv(socket_.get(), out.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size))
      throw std::runtime_error("the client said nothing more");
    return out;
  }
  std::string read_body() {
    std::string length = read(4);
    return read(load_big_endian<std::uint32_t>(as_bytes(length).data()) - 4);
  }

  Fd socket_;
};

class FakeServer {
 public:
  using Script = std::function<void(FakeServerLink&)>;

  explicit FakeServer(Script script) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_.get(), any, size) != 0 || ::listen(listener_.get(), 1) != 0 ||
        ::getsockname(listener_.get(), any, &size) != 0)
      throw std::runtime_error("no loopback");
    port_ = ntohs(address.sin_port);
    timeval limit{10, 0};
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    thread_ = std::jthread([this, script = std::move(script)] {
      try {
        FakeServerLink link{Fd(::accept(listener_.get(), nullptr, nullptr))};
        script(link);
        link.end();
      } catch (const std::exception& error) {
        ADD_FAILURE() << "the fake server: " << error.what();
      }
    });
  }

  config::Secret dsn(const std::string& password = "secret") const {
    return config::Secret("host=127.0.0.1 port=" + std::to_string(port_) +
                          " user=u dbname=app sslmode=disable password=" + password);
  }

 private:
  Fd listener_;
  int port_ = 0;
  std::jthread thread_;
};

}  // namespace deltaforge::sources::postgres
