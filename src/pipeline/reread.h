// A restart of the source reads again what some sinks have already: nobody gets anything new until it has passed where
// the furthest of them stood. Reread says when that was; RejoinSpacing how long the next restart has to wait for it, so
// that reading again takes a tenth of the time at most. Where nothing new came meanwhile it took nobody's time.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "core/position.h"

namespace deltaforge::pipeline {

class Reread {
 public:
  // A sink may be waited for alone this long, counted from the beginning, until it is over.
  Reread(const PositionAlgebra& algebra, const Clock& clock, Duration patience)
      : algebra_(algebra), clock_(clock), patience_(patience) {}

  // Source thread, before the first batch: it reads from `meet`; the sinks stand at `starts`, which may be empty.
  void begin(const Position& meet, std::vector<Position> starts) {
    here_ = meet;
    starts_ = std::move(starts);
    note(began_);
    note(last_);
    look();
  }
  // Transform thread: every sink that is attached has taken these, of a batch that has events or only moves on.
  void passed(std::span<const Mark> marks, bool events) {
    if (events) note(last_event_);
    if (over() || marks.empty()) return;
    note(last_);
    algebra_.advance(here_, marks);
    look();
  }

  // Any thread: nothing comes any more, so it was over with what was passed last.
  void end() {
    Duration::rep none = 0;
    over_.compare_exchange_strong(none, last_.load(std::memory_order_acquire), std::memory_order_acq_rel);
  }
  // Any thread. When it was over; nothing: it is not, or has not begun.
  std::optional<SteadyTime> over() const { return time_of(over_); }
  // Any thread. Until it is over, when something was last passed; nothing: it has not begun.
  std::optional<SteadyTime> last() const { return time_of(last_); }
  std::optional<SteadyTime> last_event() const { return time_of(last_event_); }
  bool is_patient() const {
    const auto began = time_of(began_);
    return began && !over() && clock_.now() < *began + patience_;
  }

 private:
  using Stamp = std::atomic<Duration::rep>;
  void note(Stamp& stamp) { stamp.store(clock_.now().time_since_epoch().count(), std::memory_order_release); }
  static std::optional<SteadyTime> time_of(const Stamp& stamp) {
    const auto count = stamp.load(std::memory_order_acquire);
    if (count == 0) return std::nullopt;
    return SteadyTime(Duration(count));
  }
  void look() {
    const bool passed_all = std::ranges::all_of(starts_, [this](const Position& start) {
      return start.empty() || algebra_.equal(algebra_.meet(here_, start), start);
    });
    if (passed_all) note(over_);
  }

  const PositionAlgebra& algebra_;
  const Clock& clock_;
  const Duration patience_;
  Position here_;
  std::vector<Position> starts_;
  Stamp began_{0}, last_{0}, last_event_{0}, over_{0};
};

// Supervisor thread. Pure.
class RejoinSpacing {
 public:
  static constexpr std::chrono::seconds kInterval{30};  // between two restarts for a sink, at least
  static constexpr int kShare = 10;
  static constexpr std::chrono::seconds kQuietPatience{15};  // with a slow sink, when nothing came before the restart

  // The source is being restarted for a sink that answers again. `quiet`: the others have all that there is.
  void restarting(SteadyTime now, bool quiet) { restarting_ = {now, quiet}; }
  // A run begins, for that or another reason.
  void begun() { for_a_sink_ = std::exchange(restarting_, std::nullopt); }
  // Of the run that has begun, see Reread.
  Duration patience() const { return for_a_sink_ && for_a_sink_->quiet ? kQuietPatience : Duration::zero(); }
  // The next restart for a sink; reading again was over at `over`, and `free` while nobody missed anything by it.
  SteadyTime next(SteadyTime over, bool free) const {
    if (!for_a_sink_) return SteadyTime{};
    const Duration taken = free ? Duration::zero() : over - for_a_sink_->at;
    return for_a_sink_->at + std::max<Duration>(kInterval, taken * kShare);
  }

 private:
  struct Restart {
    SteadyTime at;
    bool quiet;
  };
  std::optional<Restart> restarting_, for_a_sink_;
};

}  // namespace deltaforge::pipeline
