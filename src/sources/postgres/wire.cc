#include "sources/postgres/wire.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>

#include "base/error.h"

namespace deltaforge::sources::postgres {
namespace {

// Status messages are 39 bytes: if so many wait, the server has not read for hours.
constexpr std::size_t kMostUnsent = 64 * 1024;

// The server sends row by row. While our window is open each row is a segment of its own, with a wake-up on either
// side; while it is closed rows collect at the server, which costs next to nothing. So the receive buffer is no larger
// than what the way there and back needs at kFastest: small on this machine, large across an ocean.
constexpr std::uint64_t kFastest = 250;  // bytes a microsecond
constexpr std::uint64_t kLeastBuffer = 32 * 1024, kLargestBuffer = 4 * 1024 * 1024;

void size_receive_buffer(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.ss_family == AF_UNIX) return;
  tcp_info info{};
  size = sizeof info;
  std::uint64_t there_and_back = 0;  // microseconds
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) there_and_back = info.tcpi_min_rtt;
  const auto buffer = static_cast<int>(std::clamp(there_and_back * kFastest, kLeastBuffer, kLargestBuffer));
  // FORCE passes the system's limit and needs root.
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
}

}  // namespace

Wire::Wire(Session& session, Placer& placer)
    : link_(session.socket(), session.tls(), "the replication connection to " + session.where()), frames_(placer) {
  size_receive_buffer(fd());
}

void Wire::send_query(std::string_view sql) { queue('Q', as_bytes(std::string(sql) + '\0')); }

void Wire::send_copy_data(Bytes body) { queue('d', body); }

void Wire::queue(char type, Bytes body) {
  if (unsent_.size() > kMostUnsent) link_.lost("it takes no more of our status messages");
  auto length = static_cast<std::uint32_t>(body.size() + 4);
  unsent_ += type;
  for (int shift = 24; shift >= 0; shift -= 8) unsent_ += static_cast<char>(length >> shift);
  unsent_ += as_text(body);
  flush();
}

void Wire::flush() {
  while (!unsent_.empty()) {
    std::size_t sent = link_.write(as_bytes(unsent_));
    if (sent == 0) return;
    unsent_.erase(0, sent);
  }
}

void Wire::say_goodbye() noexcept {
  try {
    queue('X', {});
  } catch (const Error&) {  // it is gone already, which is what we want
  }
}

short Wire::events() const {
  return static_cast<short>(POLLIN | (!unsent_.empty() || link_.wants_write() ? POLLOUT : 0));
}

std::size_t Wire::fill() { return link_.fill(frames_, drained_); }

}  // namespace deltaforge::sources::postgres
