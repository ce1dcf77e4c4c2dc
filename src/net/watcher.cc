#include "net/watcher.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "base/check.h"

namespace deltaforge::net {
namespace {

constexpr int kTickMs = 1'000;

void add(int epoll, int fd, unsigned events) {
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.fd = fd;
  // A new socket may have the number of a closed one.
  if (::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &wanted) == 0) return;
  DF_CHECK(errno == ENOENT && ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) == 0, "epoll_ctl: a socket to wait for");
}

}  // namespace

Watcher::Watcher(std::function<void()> wake, const char* thread_name)
    : wake_(std::move(wake)), events_(::epoll_create1(EPOLL_CLOEXEC)) {
  DF_CHECK(events_, "epoll: out of descriptors");
  add(events_.get(), stop_.fd(), EPOLLIN);
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), thread_name);
}

Watcher::~Watcher() {
  stop_.signal();
  thread_.join();
}

void Watcher::watch(int fd, bool write) {
  armed_.store(true, std::memory_order_release);
  unsigned events = EPOLLIN | EPOLLONESHOT;
  if (write) events |= EPOLLOUT;
  add(events_.get(), fd, events);
}

void Watcher::run() {
  for (;;) {
    epoll_event event{};
    const int ready = ::epoll_wait(events_.get(), &event, 1, kTickMs);
    if (ready < 0) continue;  // a signal
    if (ready > 0 && event.data.fd == stop_.fd()) return;
    if (ready > 0) armed_.store(false, std::memory_order_release);
    if (ready > 0 || armed_.load(std::memory_order_acquire)) wake_();
  }
}

}  // namespace deltaforge::net
