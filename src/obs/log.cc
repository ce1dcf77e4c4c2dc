#include "obs/log.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "obs/log_line.h"
#include "obs/metrics.h"
#include "obs/repeat_limit.h"

namespace deltaforge::obs {

namespace {

constexpr std::size_t kQueueBytes = 1024 * 1024;
constexpr std::chrono::seconds kFlushLimit{1};

std::atomic<Level> minimum{Level::info};
std::atomic<Format> shape{Format::json};

// False: stderr is closed, or its reader is gone.
bool write_all(std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written >= 0) {
      line.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd wait{STDERR_FILENO, POLLOUT, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

// The queue and the thread behind it. Never destroyed: other threads may log until the very end of the process.
class Writer {
 public:
  static Writer& instance() {
    static Writer& writer = *new Writer();
    return writer;
  }

  void push(std::string line) {
    {
      std::lock_guard lock(mutex_);
      if (queued_bytes_ + line.size() > kQueueBytes) {
        ++dropped_;
        dropped_total_.add();
        return;
      }
      queued_bytes_ += line.size();
      queue_.push_back(std::move(line));
    }
    changed_.notify_all();
  }

  bool flush() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kFlushLimit, [this] { return queue_.empty() && !writing_; });
  }

 private:
  Writer() : dropped_total_(Metrics::instance().counter("deltaforge_log_dropped_total", {})) {
    // Signals belong to other threads; SIGPIPE of a closed stderr must not end the process.
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([this] { run(); }).detach();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    std::atexit([] { instance().flush(); });
  }

  [[noreturn]] void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return !queue_.empty(); });
      std::string line = std::move(queue_.front());
      queue_.pop_front();
      writing_ = true;
      const std::uint64_t dropped = std::exchange(dropped_, 0);
      lock.unlock();
      if (dropped > 0) report(dropped);
      const bool written = write_all(line);
      lock.lock();
      if (!written) dropped_total_.add();
      queued_bytes_ -= line.size();
      writing_ = false;
      if (queue_.empty()) changed_.notify_all();
    }
  }

  static void report(std::uint64_t dropped) {
    const Field fields[] = {{"count", dropped}};
    write_all(log_line(shape, Clock::system().wall_us(), Level::warn, "log lines dropped: stderr was stalled", fields));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;  // with the line that is being written
  std::uint64_t dropped_ = 0;     // since the last report
  bool writing_ = false;
  Counter dropped_total_;
};

// A key is often the name of a component, which another pipeline may have, too.
std::string key_in_pipeline(std::string_view key, std::initializer_list<Field> fields) {
  std::string whole(key);
  for (const Field& field : fields)
    if (const auto* text = std::get_if<std::string_view>(&field.value); text != nullptr && field.key == "pipeline")
      whole.append(1, '\0').append(*text);
  return whole;
}

void emit(Level level, std::string_view message, std::span<const Field> fields) {
  Writer::instance().push(log_line(shape, Clock::system().wall_us(), level, message, fields));
}

}  // namespace

void configure_log(Level level, Format format) {
  minimum = level;
  shape = format;
}

Level log_level() { return minimum; }
void set_log_level(Level level) { minimum = level; }

bool log_enabled(Level level) { return level >= minimum.load(std::memory_order_relaxed); }

void log(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (log_enabled(level)) emit(level, message, {fields.begin(), fields.size()});
}

void log_limited(Level level, std::string_view key, std::string_view message, std::initializer_list<Field> fields) {
  static RepeatLimit& limit = *new RepeatLimit(Clock::system());
  if (!log_enabled(level)) return;
  const std::optional<std::uint64_t> repeated = limit.admit(key_in_pipeline(key, fields), message);
  if (!repeated) return;
  std::vector<Field> all(fields);
  if (*repeated > 0) all.push_back({"repeated", *repeated});
  emit(level, message, all);
}

bool flush_log() { return Writer::instance().flush(); }

}  // namespace deltaforge::obs
