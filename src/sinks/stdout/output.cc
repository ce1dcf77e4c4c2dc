#include "sinks/stdout/output.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string>
#include <utility>

namespace deltaforge::sinks::stdout {

// A pipe or terminal that poll() calls writable takes PIPE_BUF bytes at once. Where it can be opened again without
// blocking (not under every container runtime), nothing limits a write().
Output::Output(int fd, bool open_again) : fd_(fd), step_(PIPE_BUF), terminal_(::isatty(fd) == 1) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return;
  if (S_ISREG(status.st_mode)) step_ = std::numeric_limits<std::size_t>::max();
  if (open_again && (S_ISFIFO(status.st_mode) || terminal_)) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    own_ = Fd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (own_) step_ = std::numeric_limits<std::size_t>::max();
  }
}

Output& Output::standard() {
  static Output output(STDOUT_FILENO);
  return output;
}

bool Output::take_turn(std::chrono::milliseconds wait) { return turn_.try_acquire_for(wait); }

void Output::end_turn() {
  torn_ = mid_line_;
  turn_.release();
}

Output::Written Output::write(std::string_view text, std::chrono::milliseconds wait) {
  const int fd = own_ ? own_.get() : fd_;
  pollfd ready{fd, POLLOUT, 0};
  const int got = ::poll(&ready, 1, static_cast<int>(wait.count()));
  if (got == 0 || (got < 0 && errno == EINTR)) return {};
  if (got < 0) return {0, errno};
  if (torn_) text = "\n";
  const ssize_t count = ::write(fd, text.data(), std::min(text.size(), step_));
  if (count < 0) return {0, errno == EAGAIN || errno == EINTR ? 0 : errno};
  mid_line_ = text[static_cast<std::size_t>(count) - 1] != '\n';
  return {std::exchange(torn_, false) ? 0 : static_cast<std::size_t>(count), 0};
}

}  // namespace deltaforge::sinks::stdout
