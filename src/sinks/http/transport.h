// All requests under way at once, over connections that are kept: libcurl's multi interface, called by the lane thread
// alone. Its sockets and its timer are in one epoll set; a thread waits for that set, and wakes the lane. The thread
// touches nothing else.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"

namespace deltaforge::sinks::http {

class Transport {
 public:
  // `wake` is called by the thread: once for each watch(). Here, and of run() and watch(): throw Error{unavailable}
  // when the system has no descriptors left, or will not watch one. The requests are lost then.
  Transport(std::function<void()> wake, std::size_t connections);
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  // Every request has been stopped.
  ~Transport();

  // `easy` is a CURL*; its request begins with the next run().
  void start(void* easy);
  // Drops the request and its connection, without waiting.
  void stop(void* easy);
  // Moves all requests on. Never waits.
  void run();
  struct Ended {
    void* easy;
    int code;  // a CURLcode
  };
  // A request that has ended; it is stopped.
  std::optional<Ended> next_ended();
  // Once any request can be moved on, or at this time.
  void watch(SteadyTime at);

 private:
  static int on_socket(void* easy, int fd, int what, void* self, void* known);
  static int on_timer(void* multi, long milliseconds, void* self);
  void wait_for_events();

  struct MultiFreer {
    void operator()(void* multi) const;
  };

  const std::function<void()> wake_;
  Fd sockets_;  // epoll: libcurl's sockets, and timer_
  Fd timer_;
  SteadyTime timer_at_ = SteadyTime::max();  // libcurl's
  Fd all_;                                   // epoll: sockets_ once, and stop_
  WakeFd stop_;
  std::optional<Error> failed_;              // of a call by libcurl, which must not throw
  std::unique_ptr<void, MultiFreer> multi_;  // CURLM; goes before what its callbacks use
  std::thread thread_;
};

}  // namespace deltaforge::sinks::http
