#include "net/epoll.h"

#include <sys/epoll.h>

#include <cerrno>

#include "base/descriptors.h"

namespace deltaforge::net {

Fd new_epoll() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) throw no_descriptor("making an epoll");
  return epoll;
}

void wake_for(int epoll, int fd, unsigned events) {
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.fd = fd;
  if (::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &wanted) == 0) return;
  if (errno != ENOENT || ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) != 0)
    throw no_descriptor("waiting for a socket");
}

}  // namespace deltaforge::net
