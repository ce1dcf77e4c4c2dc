#include "net/watcher.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <utility>

#include "net/epoll.h"

namespace deltaforge::net {
namespace {

constexpr int kTickMs = 1'000;

}  // namespace

Watcher::Watcher(std::function<void()> wake, const char* thread_name) : wake_(std::move(wake)), events_(new_epoll()) {
  wake_for(events_.get(), stop_.fd(), EPOLLIN);
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
  wake_for(events_.get(), fd, events);
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
