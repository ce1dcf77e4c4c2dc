#include "net/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace deltaforge::net {
namespace {

struct AddressFreer {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, AddressFreer>;

struct Lookup {
  int failed = 0;
  Addresses found;
};

Lookup look_up(const std::string& host, const std::string& port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  return {failed, Addresses(found)};
}

// The resolver knows no bound of time: when it is over, a thread waits for it that nobody waits for.
std::optional<Lookup> look_up_until(const std::string& host, const std::string& port, int flags, SteadyTime deadline) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Lookup> answer;
  };
  const auto shared = std::make_shared<Shared>();
  try {
    std::thread([shared, host, port, flags] {
      Lookup answer = look_up(host, port, flags);
      std::lock_guard lock(shared->mutex);
      shared->answer = std::move(answer);
      shared->changed.notify_one();
    }).detach();
  } catch (const std::system_error&) {
    return std::nullopt;  // the system has no thread for us just now
  }
  std::unique_lock lock(shared->mutex);
  shared->changed.wait_until(lock, deadline, [&] { return shared->answer.has_value(); });
  return std::move(shared->answer);
}

Addresses addresses_of(const std::string& host, std::uint16_t port, SteadyTime deadline, const std::string& doing,
                       const std::string& hint) {
  const std::string number = std::to_string(port);
  if (Lookup numeric = look_up(host, number, AI_NUMERICHOST); numeric.failed == 0) return std::move(numeric.found);
  auto answer = look_up_until(host, number, host == "localhost" ? 0 : AI_ADDRCONFIG, deadline);
  if (!answer) throw Error(ErrorKind::unavailable, doing + "its name is not resolved in time", hint);
  if (answer->failed != 0) throw Error(ErrorKind::unavailable, doing + ::gai_strerror(answer->failed), hint);
  return std::move(answer->found);
}

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
    if (left.count() <= 0) return false;
  }
}

void wait_for_bytes(int fd, int count) { ::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &count, sizeof count); }

Fd connect_to(const std::string& host, std::uint16_t port, SteadyTime deadline, const Peer& peer) {
  const std::string doing =
      fmt::format("{} {}:{}: ", peer.connecting, host.find(':') == host.npos ? host : "[" + host + "]", port);
  const Addresses addresses =
      addresses_of(host, port, deadline, doing, fmt::format("check the host in `{}`", peer.field));
  std::string problem;
  int left = 0;
  for (const addrinfo* each = addresses.get(); each != nullptr; each = each->ai_next) ++left;
  // One that does not answer leaves the others their share of the time.
  for (const addrinfo* each = addresses.get(); each != nullptr; each = each->ai_next, --left) {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (Fd fd = try_address(*each, now + (deadline - now) / left, problem)) return fd;
  }
  throw Error(ErrorKind::unavailable, doing + problem,
              fmt::format("check host and port in `{}`, and that the server runs", peer.field));
}

}  // namespace deltaforge::net
