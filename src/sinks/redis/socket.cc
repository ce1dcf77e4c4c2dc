#include "sinks/redis/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace deltaforge::sinks::redis {
namespace {

struct AddressFreer {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

// An empty descriptor, and why in `problem`.
Fd try_address(const addrinfo& address, SteadyTime deadline, std::string& problem) {
  Fd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) {
    problem = std::strerror(errno);
    return {};
  }
  int failure = 0;
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    failure = errno;
    if (failure == EINPROGRESS) {
      if (!wait_for(fd.get(), true, deadline)) {
        problem = "no answer in time";
        return {};
      }
      socklen_t size = sizeof failure;
      ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
    }
  }
  if (failure != 0) {
    problem = std::strerror(failure);
    return {};
  }
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  return fd;
}

}  // namespace

bool wait_for(int fd, bool write, SteadyTime deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd wanted{fd, static_cast<short>(write ? POLLOUT : POLLIN), 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (ready > 0) return true;
    if (ready == 0 && left.count() <= 0) return false;
  }
}

Fd connect_to(const std::string& host, std::uint16_t port, SteadyTime deadline) {
  const std::string doing = "connecting to Redis at " + host + ":" + std::to_string(port) + ": ";
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  if (host == "localhost" || host.find(':') != std::string::npos) hints.ai_flags = 0;
  addrinfo* found = nullptr;
  if (int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); failed != 0)
    throw Error(ErrorKind::unavailable, doing + ::gai_strerror(failed), "check the host in `uri`");
  const std::unique_ptr<addrinfo, AddressFreer> addresses(found);
  std::string problem;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next)
    if (Fd fd = try_address(*each, deadline, problem)) return fd;
  throw Error(ErrorKind::unavailable, doing + problem, "check host and port in `uri`, and that the server runs");
}

}  // namespace deltaforge::sinks::redis
