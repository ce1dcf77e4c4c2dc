// The transform stage: takes a cut batch, runs the processors over it in place, freezes it and hands one reference to
// each lane. It waits for a lane whose queue is full: that is the back-pressure. step() belongs to the transform
// thread (or to a test's scheduler).
//
// With a journal each processor has a desk (desk.h). A kept event begins again at its own processor and goes to all
// lanes as a replay.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/bell.h"
#include "base/clock.h"
#include "core/processor.h"
#include "pipeline/desk.h"
#include "pipeline/handoff.h"
#include "pipeline/lane.h"
#include "pipeline/probe.h"
#include "pipeline/slow_lanes.h"

namespace deltaforge::pipeline {

class Transform {
 public:
  struct Step {
    std::unique_ptr<Processor> processor;
    std::unique_ptr<Desk> desk;  // null: there is no journal
    ProcessorProbe probe;
  };
  struct Parts {
    Handoff<BatchPtr>& in;
    const std::vector<std::unique_ptr<Lane>>& lanes;
    const PositionAlgebra& algebra;
    const Clock& clock;
    BatchProbe probe;
    std::function<void(std::optional<std::string>)> trouble;  // why nothing moves, while that lasts
    std::function<void(const Batch&)> passed = {};            // every lane that is attached has taken it
    std::function<bool(std::size_t lane)> optional = {};      // the others may go on without it
    std::function<bool()> patient = {};                       // slow lanes may hold the others up, for it costs nothing
  };
  explicit Transform(Parts parts) : parts_(std::move(parts)) {}

  // Before the first step().
  void add(Step step) { steps_.push_back(std::move(step)); }
  // Any thread, before the first batch: where the lanes stand together.
  void begin(const Position&);
  // Any thread: a processor's kept events, from that processor on. False: there is no such processor.
  // `position`: see Replay.
  bool replay(const std::string& processor, BatchPtr, Order, std::string position,
              std::function<void(ReplayResult)> done);
  // Any thread: entries of the journal were removed.
  void note_change();
  // Any thread: what was read is still wanted, but no processor may hold it up, nor a full journal. See gave_up().
  void wind_down();
  // Any thread: the run ends. Processors are cancelled; whoever waits for room in the journal gives up.
  void stop();
  // For a processor inside process(), on a thread of its own too: makes an event that it cannot take a dead letter; it
  // drops it then. Waits until it is stored; throws Cancelled when the run ends first.
  void set_aside(std::size_t step, const Batch&, std::uint32_t event, std::string reason);

  // The same: it set one of these events aside before, in an earlier run.
  bool had_letter(std::uint32_t first, std::uint32_t last) const;

  // True: it moved something; call again at once. False: wait for the bell, at most until due(). Throws what a
  // processor throws.
  bool step();
  Bell& bell() { return bell_; }
  SteadyTime due() const;  // when to call at the latest
  // Any thread: too many events wait in front of a processor: no batch is taken.
  bool is_full() const { return full_.load(std::memory_order_acquire); }
  BatchProbe& probe() { return parts_.probe; }
  // Any thread: a batch was thrown away unfinished. Nothing behind it comes from here any more in this run.
  bool gave_up() const { return gave_up_.load(std::memory_order_acquire); }
  // Nothing is waiting here.
  bool empty() const { return parts_.in.size() == 0 && !holding_.load(std::memory_order_acquire); }

 private:
  struct Again {
    std::size_t step;
    BatchPtr batch;
    Replay::Kind kind;
    std::vector<Order> orders;
    std::vector<std::string> positions;
    std::function<void(ReplayResult)> done;
  };

  void freeze(BatchPtr);
  bool hand_over();
  void note_waiting();
  std::uint64_t count_of_source(const Batch&);
  bool process(Batch&, std::size_t from, Replay::Kind, std::uint64_t count);
  void run(Step&, Batch&, std::uint64_t& count);
  std::uint64_t screen(std::size_t step, std::uint32_t first);
  bool has_room();
  bool replay_one();
  std::optional<Again> next_replay();
  template <class F>
  void until_stored(F&& attempt);

  Parts parts_;
  std::vector<Step> steps_;
  Bell bell_;
  Position position_;                               // in front of the next batch; kept with a journal only
  Batch* batch_ = nullptr;                          // that is being processed,
  std::vector<std::uint32_t> letters_;              // those that the step at hand set aside before; ascending
  std::uint32_t inputs_ = 0;                        // its events before the step at hand; copies come behind them
  std::span<const Order> orders_;                   // see Replay, of one at hand,
  std::span<const std::string> positions_;          // this too,
  std::size_t from_ = 0;                            // its first step,
  std::vector<std::uint32_t> set_aside_, waiting_;  // and what that step did not take
  std::string why_;
  std::atomic<bool> full_{false};  // no batch is taken before rows that wait have gone on
  std::atomic<bool> stopping_{false}, winding_down_{false}, gave_up_{false};
  std::mutex mutex_;  // guards the next two
  std::optional<Position> begin_;
  std::deque<Again> replays_;
  BatchRef current_;         // frozen, not yet taken by every lane
  bool whole_ = false;       // none of its events is dropped
  std::vector<bool> taken_;  // by which lanes
  SlowLanes slow_;
  std::atomic<bool> holding_{false};
};

}  // namespace deltaforge::pipeline
