#include "server/deadlines.h"

#include <sys/socket.h>

#include <algorithm>

namespace deltaforge::server {

Deadlines::Deadlines() : thread_([this](const std::stop_token& stop) { watch(stop); }) {}

void Deadlines::set(int socket, std::chrono::milliseconds time, std::string_view last_word) {
  std::lock_guard lock(mutex_);
  deadlines_[socket] = {Clock::now() + time, last_word};
  changed_.notify_one();
}

void Deadlines::clear(int socket) {
  std::lock_guard lock(mutex_);
  deadlines_.erase(socket);
}

Deadlines::Clock::time_point Deadlines::earliest() const {
  auto end = Clock::time_point::max();
  for (const auto& [socket, deadline] : deadlines_) end = std::min(end, deadline.end);
  return end;
}

void Deadlines::end_late_ones() {
  auto now = Clock::now();
  std::erase_if(deadlines_, [now](const auto& entry) {
    const auto& [socket, deadline] = entry;
    if (deadline.end > now) return false;
    if (!deadline.last_word.empty())
      send(socket, deadline.last_word.data(), deadline.last_word.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(socket, SHUT_RDWR);
    return true;
  });
}

void Deadlines::watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (deadlines_.empty()) {
      changed_.wait(lock, stop, [this] { return !deadlines_.empty(); });
      continue;
    }
    auto end = earliest();
    changed_.wait_until(lock, stop, end, [this, end] { return earliest() < end; });
    end_late_ones();
  }
}

}  // namespace deltaforge::server
