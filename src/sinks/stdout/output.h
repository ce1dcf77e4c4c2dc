// A descriptor that several sinks of one process may write lines to (standard output), none of which may ever hang in
// it: its reader may be slow, or stopped. A sink takes the turn for a text of whole lines and keeps it until the last
// byte is out, so that lines of two pipelines never mix.
#pragma once

#include <chrono>
#include <cstddef>
#include <semaphore>
#include <string_view>

#include "base/fd.h"

namespace deltaforge::sinks::stdout {

class Output {
 public:
  // `fd` stays the caller's. `open_again` false: as where a pipe cannot be opened again.
  explicit Output(int fd, bool open_again = true);
  // Descriptor 1, shared by all pipelines of the process.
  static Output& standard();

  bool is_terminal() const { return terminal_; }

  // Waits for the turn. False: not yet.
  bool take_turn(std::chrono::milliseconds wait);
  // Any thread. When a line is not finished, the next turn starts with a line break.
  void end_turn();

  struct Written {
    std::size_t bytes = 0;
    int error = 0;  // errno; EPIPE: the reader is gone
  };
  // Writes what fits, after waiting for room. Nothing and no error: the reader is slow.
  Written write(std::string_view text, std::chrono::milliseconds wait);

 private:
  int fd_;
  Fd own_;            // the same pipe or terminal opened again, non-blocking; `fd_` is shared with other processes
  std::size_t step_;  // how much one write() may take without blocking
  bool terminal_;
  std::binary_semaphore turn_{1};
  // Guarded by the turn.
  bool mid_line_ = false;
  bool torn_ = false;  // the turn before ended in the middle of a line
};

}  // namespace deltaforge::sinks::stdout
