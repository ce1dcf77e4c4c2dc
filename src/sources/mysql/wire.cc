#include "sources/mysql/wire.h"

#include <fcntl.h>
#include <poll.h>

namespace deltaforge::sources::mysql {
namespace {

constexpr int kCommandTimeout = 10'000;  // ms

}  // namespace

Wire::Wire(Session& session, Placer& placer)
    : link_(session.socket(), session.tls(), "the connection to " + session.where()), packets_(placer) {
  ::fcntl(fd(), F_SETFL, ::fcntl(fd(), F_GETFL) | O_NONBLOCK);
}

void Wire::send_command(Bytes command) {
  std::string packet;
  for (int shift = 0; shift < 24; shift += 8) packet += static_cast<char>(command.size() >> shift);
  packet += '\0';  // a command begins a sequence
  packet += as_text(command);
  Bytes left = as_bytes(packet);
  while (!left.empty()) {
    std::size_t sent = link_.write(left);
    left = left.subspan(sent);
    if (sent > 0) continue;
    pollfd writable{fd(), POLLOUT, 0};
    if (::poll(&writable, 1, kCommandTimeout) == 0) link_.lost("it takes nothing");
  }
}

short Wire::events() const { return static_cast<short>(POLLIN | (link_.wants_write() ? POLLOUT : 0)); }

std::size_t Wire::fill() { return link_.fill(packets_, drained_); }

}  // namespace deltaforge::sources::mysql
