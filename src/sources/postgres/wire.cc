#include "sources/postgres/wire.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/error.h"

namespace deltaforge::sources::postgres {
namespace {

constexpr int kReceiveBuffer = 4 * 1024 * 1024;
// Status messages are 39 bytes: if so many wait, the server has not read for hours.
constexpr std::size_t kMostUnsent = 64 * 1024;

// On TCP a large receive buffer lets the server run ahead while we pause between reads; `./dev bench pg` shows it.
// FORCE passes the system's limit and needs root.
void enlarge_receive_buffer(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.ss_family == AF_UNIX) return;
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
}

}  // namespace

Wire::Wire(Session& session, Placer& placer)
    : link_(session.socket(), session.tls(), "the replication connection to " + session.where()), frames_(placer) {
  enlarge_receive_buffer(fd());
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
