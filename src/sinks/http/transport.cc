#include "sinks/http/transport.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include <curl/curl.h>

#include "base/check.h"
#include "base/descriptors.h"
#include "net/epoll.h"

namespace deltaforge::sinks::http {
namespace {

constexpr int kRounds = 16;  // of libcurl's timer in one run

int flags_of(unsigned events) {
  int flags = 0;
  if ((events & EPOLLIN) != 0) flags |= CURL_CSELECT_IN;
  if ((events & EPOLLOUT) != 0) flags |= CURL_CSELECT_OUT;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) flags |= CURL_CSELECT_ERR;
  return flags;
}

Fd new_timer() {
  Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) throw no_descriptor("making a timer");
  return timer;
}

SteadyTime now() { return std::chrono::steady_clock::now(); }

}  // namespace

Transport::Transport(std::function<void()> wake, std::size_t connections)
    : wake_(std::move(wake)),
      sockets_(net::new_epoll()),
      timer_(new_timer()),
      all_(net::new_epoll()),
      multi_(curl_multi_init()) {
  if (!multi_) throw std::bad_alloc();
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &Transport::on_socket);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &Transport::on_timer);
  curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(connections));
  net::wake_for(sockets_.get(), timer_.get(), EPOLLIN);
  net::wake_for(all_.get(), stop_.fd(), EPOLLIN);
  thread_ = std::thread([this] { wait_for_events(); });
  ::pthread_setname_np(thread_.native_handle(), "df-http");
}

Transport::~Transport() {
  multi_.reset();
  stop_.signal();
  thread_.join();
}

void Transport::MultiFreer::operator()(void* multi) const { curl_multi_cleanup(multi); }

void Transport::start(void* easy) {
  DF_CHECK(curl_multi_add_handle(multi_.get(), easy) == CURLM_OK, "libcurl: a request is started twice");
}

void Transport::stop(void* easy) { curl_multi_remove_handle(multi_.get(), easy); }

void Transport::run() {
  std::array<epoll_event, 64> events;
  const int ready = ::epoll_wait(sockets_.get(), events.data(), static_cast<int>(events.size()), 0);
  int running = 0;
  for (int i = 0; i < ready; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd != timer_.get())
      curl_multi_socket_action(multi_.get(), event.data.fd, flags_of(event.events), &running);
  }
  for (int round = 0; round < kRounds && now() >= timer_at_; ++round) {
    timer_at_ = SteadyTime::max();
    curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running);
  }
  if (failed_) throw Error(*failed_);
}

std::optional<Transport::Ended> Transport::next_ended() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const Ended ended{message->easy_handle, message->data.result};
    stop(ended.easy);
    return ended;
  }
  return std::nullopt;
}

void Transport::watch(SteadyTime at) {
  at = std::min(at, timer_at_);
  itimerspec when{};
  if (at != SteadyTime::max()) {
    const auto since = std::max(at.time_since_epoch(), SteadyTime::duration(1));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    when.it_value = {seconds.count(), std::chrono::nanoseconds(since - seconds).count()};
  }
  DF_CHECK(::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr) == 0, "timerfd_settime");
  net::wake_for(all_.get(), sockets_.get(), EPOLLIN | EPOLLONESHOT);
}

int Transport::on_socket(void*, int fd, int what, void* self, void*) {
  Transport& transport = *static_cast<Transport*>(self);
  if (what == CURL_POLL_REMOVE) {
    ::epoll_ctl(transport.sockets_.get(), EPOLL_CTL_DEL, fd, nullptr);
    return 0;
  }
  unsigned events = 0;
  if ((what & CURL_POLL_IN) != 0) events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) events |= EPOLLOUT;
  try {
    net::wake_for(transport.sockets_.get(), fd, events);
  } catch (const Error& error) {
    transport.failed_ = error;  // run() tells; libcurl knows no exceptions
  }
  return 0;
}

int Transport::on_timer(void*, long milliseconds, void* self) {
  static_cast<Transport*>(self)->timer_at_ =
      milliseconds < 0 ? SteadyTime::max() : now() + std::chrono::milliseconds(milliseconds);
  return 0;
}

void Transport::wait_for_events() {
  for (;;) {
    epoll_event event{};
    const int ready = ::epoll_wait(all_.get(), &event, 1, -1);
    if (ready < 1) continue;  // a signal
    if (event.data.fd == stop_.fd()) return;
    wake_();
  }
}

}  // namespace deltaforge::sinks::http
