// A listening socket that answers with what the test says: shows what a sink sends, and when.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/fd.h"

namespace deltaforge::sinks::testing {

class FakeServer {
 public:
  FakeServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    ::listen(listener_.get(), 8);
    port_ = ntohs(address.sin_port);
  }
  int port() const { return port_; }
  const std::string& received() const { return received_; }

  void accept() {
    link_ = Fd(::accept(listener_.get(), nullptr, nullptr));
    received_.clear();
  }
  void hang_up() { link_ = Fd(); }
  void say(std::string_view text) { (void)!::write(link_.get(), text.data(), text.size()); }
  // Takes what is there, waiting this long for the first of it.
  void receive(int wait_ms = 0) {
    for (pollfd wanted{link_.get(), POLLIN, 0}; ::poll(&wanted, 1, wait_ms) > 0; wait_ms = 0) {
      char buffer[65536];
      const ssize_t got = ::read(link_.get(), buffer, sizeof buffer);
      if (got <= 0) return;
      received_.append(buffer, static_cast<std::size_t>(got));
    }
  }

 protected:
  std::string received_;

 private:
  Fd listener_, link_;
  int port_ = 0;
};

}  // namespace deltaforge::sinks::testing
