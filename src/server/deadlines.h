// Ends connections whose time is over, however busy they look: a peer that sends one byte a second is never idle.
// Owns one thread, no socket. Any thread may call.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string_view>
#include <thread>

namespace deltaforge::server {

class Deadlines {
 public:
  Deadlines();

  // Gives `socket` this much time from now on, instead of what it had. When that is over `last_word` is sent, as far as
  // the socket takes it at once, and both directions are shut down: whoever polls the socket sees its end.
  // `last_word` outlives the deadline.
  void set(int socket, std::chrono::milliseconds, std::string_view last_word = {});
  // No deadline any more. On return nothing is being done to the socket: called before it is closed.
  void clear(int socket);

 private:
  using Clock = std::chrono::steady_clock;
  struct Deadline {
    Clock::time_point end;
    std::string_view last_word;
  };

  void watch(const std::stop_token&);
  void end_late_ones();
  Clock::time_point earliest() const;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<int, Deadline> deadlines_;  // by socket
  std::jthread thread_;                // last: it uses the others
};

}  // namespace deltaforge::server
