// The ledger: how far each sink is. A lane reports its delivered prefix; the checkpointer takes what has moved, makes
// it durable, and learns what may be released. It never orders batches itself: lanes deliver and report in order.
// Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "core/position.h"
#include "pipeline/commit_rule.h"

namespace deltaforge::pipeline {

class Ledger {
 public:
  // A sink that gets nowhere for so long is detached, where the policy allows.
  static constexpr std::chrono::seconds kDetachAfter{5};
  Ledger(std::size_t sinks, const PositionAlgebra& algebra, CommitRule rule, const Clock& clock);

  // Where sink `index` stands before the run delivers anything. Not dirty: it is stored already.
  void begin(std::size_t index, const Position&);
  // Lane threads: sink `index` has everything up to here, without a gap.
  void delivered(std::size_t index, const Position&);

  // Checkpoint thread. Copies the positions that moved since the last successful stored(); empty ones have not moved.
  // False: nothing to do.
  bool take(std::vector<Position>& moved);
  // The positions of take() are durable. Returns what may be released: the meet of all sinks' durable positions,
  // those of lost ones aside (empty while some sink has none).
  const Position& stored(const std::vector<Position>& moved);
  // Nothing is delivered that is not stored.
  bool clean() const;

  // A detached sink is given up: nothing is held for it any more. Returns what may be released now. Checkpoint thread,
  // or before the run begins.
  const Position& lose(std::size_t index);

  // Lanes and status. The sink drops out, if the commit policy does without it beside those that have done so already.
  bool may_detach(std::size_t index) const;
  bool detach(std::size_t index);
  bool is_detached(std::size_t index) const;
  bool is_lost(std::size_t index) const;
  bool satisfied() const;                       // the commit policy, by the sinks that are attached
  bool has_delivered(std::size_t index) const;  // something in this run
  Position durable(std::size_t index) const;
  // Seconds since the durable position of the sink last moved; negative: not in this run.
  double age_seconds(std::size_t index) const;

 private:
  struct Entry {
    Position delivered, durable;
    bool dirty = false, attached = true, lost = false, moved = false, has_delivered = false;
    SteadyTime moved_at{};
  };
  const Position& release();
  std::vector<bool> attached() const;

  const PositionAlgebra& algebra_;
  const CommitRule rule_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  Position release_;
  bool storing_ = false;  // taken, not yet stored
};

}  // namespace deltaforge::pipeline
