#include "net/epoll.h"

#include <sys/epoll.h>

#include <cerrno>

#include "base/check.h"

namespace deltaforge::net {

void wake_for(int epoll, int fd, unsigned events) {
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.fd = fd;
  if (::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &wanted) == 0) return;
  DF_CHECK(errno == ENOENT && ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) == 0, "epoll_ctl: a socket to wait for");
}

}  // namespace deltaforge::net
