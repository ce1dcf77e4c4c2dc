// Decides when to let the socket fill up before it is read again. The server sends row by row, so an eager reader
// wakes per row and takes the CPU from the server; pausing 1 ms doubles the rate on TCP.
// At low rates there is no pause: the latency of single transactions must not pay for it. Source thread only.
#pragma once

#include <cstddef>

namespace deltaforge::sources::postgres {

class Pacer {
 public:
  // The socket was read empty and gave `bytes`. True: pause before the next read.
  bool pause_after(std::size_t bytes) {
    burst_ += bytes;
    if (!pausing_ && burst_ >= kBusy)
      pausing_ = true;
    else if (pausing_ && bytes < kQuiet)
      pausing_ = false, burst_ = 0;
    return pausing_;
  }
  // A wait for the server took so long that no burst is going on.
  void waited() { burst_ = 0; }

 private:
  static constexpr std::size_t kBusy = 64 * 1024;  // since the last wait
  static constexpr std::size_t kQuiet = 4 * 1024;  // in one pause
  std::size_t burst_ = 0;
  bool pausing_ = false;
};

}  // namespace deltaforge::sources::postgres
