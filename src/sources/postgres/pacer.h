// Decides how long to let the socket fill up before it is read again. The server sends row by row. While our receive
// window is open each row is a segment of its own, with a wake-up on either side, and that CPU the server lacks; while
// it is closed rows collect at the server, and go out together when it opens, which costs next to nothing. So in a
// burst we pause for about as long as the server needs to fill the window: a read that finds the window full says that
// it may be shorter, one that does not that it must be longer. At low rates there is no pause: the latency of single
// transactions must not pay for it. Source thread only.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace deltaforge::sources::postgres {

class Pacer {
 public:
  using Pause = std::chrono::microseconds;

  // The socket was read empty and gave `bytes`. How long to pause before the next read; 0: not at all.
  Pause pause_after(std::size_t bytes) {
    burst_ += bytes;
    if (!pausing_) return burst_ >= kBusy ? begin() : Pause::zero();
    if (bytes * 1'000 < kQuiet * static_cast<std::size_t>(pause_.count())) {
      pausing_ = false;
      burst_ = 0;
      return Pause::zero();
    }
    most_ = std::max(most_, bytes);
    if (bytes < most_ - most_ / 4) {
      pause_ = std::min(kLongest, pause_ * 5 / 4);
      full_ = 0;
    } else if (++full_ == kFullReads) {
      pause_ = std::max(kShortest, pause_ * 15 / 16);
      full_ = 0;
    }
    return pause_;
  }
  // A wait for the server took so long that no burst is going on.
  void waited() { burst_ = 0; }

 private:
  static constexpr std::size_t kBusy = 64 * 1024;  // since the last wait
  static constexpr std::size_t kQuiet = 4 * 1024;  // in a millisecond of a pause
  static constexpr Pause kShortest{250}, kLongest{4'000};
  static constexpr int kFullReads = 4;  // one after the other, before the pause becomes shorter

  Pause begin() {
    pausing_ = true;
    most_ = 0;
    full_ = 0;
    return pause_ = kLongest;  // to see the window full
  }

  std::size_t burst_ = 0;
  bool pausing_ = false;
  Pause pause_ = kLongest;
  std::size_t most_ = 0;  // that a read of this burst gave: the window
  int full_ = 0;
};

}  // namespace deltaforge::sources::postgres
