// A lane: one sink, its queue and its thread. It decides per commit what the sink still needs, keeps a few batches in
// flight, and retires them in order into the ledger. Retry is written here, once: after a failure the sink is
// destroyed, and after a back-off a new one is asked where it stands and is sent everything from the first
// undelivered batch on, in order, for ever. Where there is a journal, single rows that the sink refuses go to the
// lane's desk and the others go on (lane_rejects.cc); kept events come again as replays (lane_replays.cc). Without one
// such a row is offered again and again.
//
// step() belongs to the lane thread (or to a test's scheduler); offer(), complete() and the questions to any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/bell.h"
#include "base/clock.h"
#include "base/slab.h"
#include "core/component.h"
#include "pipeline/desk.h"
#include "pipeline/handoff.h"
#include "pipeline/ledger.h"
#include "pipeline/probe.h"
#include "pipeline/sent.h"
#include "pipeline/slot.h"

namespace deltaforge::pipeline {

class Lane final : public ReceiptBook, public RejectDesk {
 public:
  struct Parts {
    std::size_t index;
    SinkMaker maker;
    SinkContext context;  // slabs, positions and wake are filled in by the lane
    const PositionAlgebra& algebra;
    const PositionCodec& codec;
    Ledger& ledger;
    const Clock& clock;
    LaneProbe probe;
    bool awaited = true;                                // its acknowledgement counts for the latency from end to end
    std::function<void()> freed;                        // the queue has room again, or the lane detached
    std::function<void()> retired;                      // the ledger has something new
    std::function<void()> rejoin;                       // detached, and the sink answers again
    std::function<void()> opened;                       // the first open() succeeded
    unsigned seed;                                      // of the back-off's jitter
    std::optional<std::chrono::seconds> deadline = {};  // for one batch, from when it is the oldest in flight
    std::unique_ptr<Desk> desk = {};                    // null: there is no journal
    bool lost = false;                                  // see lose()
    std::unique_ptr<Sent> sent = {};                    // null: no sink of it asks for the same deliveries
  };
  static constexpr std::size_t kMaxWindow = 8;  // batches in flight at one sink's client
  static constexpr std::size_t kReplays = 2;    // and replays that wait before one that is not
  Lane(Parts parts, std::size_t queue_depth);
  ~Lane() override;
  // Gives the sink up, for another run may need what it holds. Nobody calls step() any more.
  void close();

  // Moves on. Returns when it wants to be called again at the latest. Throws Error when the pipeline cannot go on.
  SteadyTime step();
  Bell& bell() { return bell_; }

  // Transform thread. False: the queue is full, ask again after freed(). A detached lane takes and drops everything.
  // `whole`: none of its events is dropped.
  bool offer(const BatchRef&, bool whole);
  // Any thread. Taken before anything that is queued later, and what is passed on (transform thread) behind everything
  // that is queued. While detached that is put off until the sink is back; what is its own is refused.
  void replay(Replay);
  // Any thread: entries of the journal were removed.
  void note_change();
  void hold_up();   // transform thread: the others wait for this lane alone; it detaches, where the policy allows
  void stay_out();  // any thread, the ledger does without it: detached from the start, for it does not open
  void lose();      // any thread: detached, and from here on for good

  // The start of a run: what the sink holds itself, once it has been opened; then where the lane begins.
  bool holds_position() const { return holds_position_.load(std::memory_order_relaxed); }
  bool opened() const { return opened_.load(std::memory_order_acquire); }
  std::optional<Position> held() const;
  void begin(const Position&);

  // Age of the oldest commit in flight; 0 when nothing is.
  double lag_seconds() const;

  bool idle() const { return queue_.size() == 0; }  // nothing waits in its queue
  bool empty() const { return queue_.size() == 0 && in_flight_.load(std::memory_order_acquire) == 0; }
  bool awaited() const { return parts_.awaited && !detached(); }
  bool detached() const { return detached_.load(std::memory_order_acquire); }
  // Its next row is one that nobody takes, and the journal has no room for it.
  bool stuck() const { return stuck_.load(std::memory_order_acquire); }
  bool lost() const { return lost_.load(std::memory_order_acquire); }
  // A detached lane whose sink answers again: the run may be restarted with it.
  bool wants_rejoin() const { return wants_rejoin_.load(std::memory_order_acquire) && !lost(); }
  // Why nothing moves, while that lasts.
  std::optional<std::string> trouble() const;
  const std::string& id() const { return parts_.maker.id; }
  const SinkMaker& maker() const { return parts_.maker; }

  void complete(std::uint64_t generation, BatchSeq, Outcome&&) noexcept override;
  bool set_aside(const Delivery&, const Reject&) override;

 private:
  using Offered = std::pair<BatchRef, bool>;  // see offer()
  using State = Slot::State;
  struct Answer {
    std::uint64_t generation;
    BatchSeq seq;
    Outcome outcome;
  };

  void build();
  void open(SteadyTime now);
  void resume_from(std::optional<Position> held);
  void move_sink(SteadyTime now);
  void close(SteadyTime now, const std::string& why);
  void take_answers(SteadyTime now);
  void note_refusal(Slot&, Reject, bool undone, SteadyTime now);
  void complain(const Slot&, const std::string& why);
  void take_refused(SteadyTime now);
  std::optional<std::string> keep(std::size_t slot, const Reject&);
  void begin_anew(SteadyTime now);
  void go_on_without(Slot&, SteadyTime now);
  void screen(Slot&, const Position& base, SteadyTime now);
  void look_at(std::size_t slot, SteadyTime now);
  void look_at_held(SteadyTime now);
  bool replay_behind(const Slot&) const;
  bool has_passed_on() const;
  void accept_replays(SteadyTime now);
  std::size_t place_of(const Replay&) const;
  static std::span<const Order> orders_of(const Slot&);
  static std::span<const std::string> positions_of(const Slot&);
  std::optional<Replay> next_replay();
  void drop_replays();
  void put_off_replays();
  const Position& base(std::size_t i) const { return i == 0 ? position_ : slot(i - 1).delivery.after; }
  void retire();
  void pop_front();
  Slot& insert_slot(std::size_t i, BatchRef, SteadyTime now);
  void accept(SteadyTime now);
  void settle(Slot&);
  void prepare(Slot&, const Position& base, SteadyTime now);
  void prepare_all(SteadyTime now);
  void send_unsent(SteadyTime now);
  void note_unsent();
  void watch(SteadyTime now);
  std::optional<SteadyTime> due() const;
  void detach(const std::string& why);
  void drop_queue();
  bool is_stuck() const;
  SteadyTime next_call() const;
  Slot& slot(std::size_t i) { return slots_[(head_ + i) % slots_.size()]; }
  const Slot& slot(std::size_t i) const { return slots_[(head_ + i) % slots_.size()]; }
  void set_trouble(std::optional<std::string>);

  Parts parts_;
  Bell bell_;
  SlabPool slabs_;
  Handoff<Offered> queue_;
  Backoff backoff_;

  std::unique_ptr<Sink> sink_;
  std::uint64_t generation_ = 0;
  bool is_open_ = false;
  bool started_ = false;   // begin() was called
  SteadyTime open_at_{};   // next attempt
  SteadyTime hold_off_{};  // the far side is not asked before
  std::optional<SteadyTime> failing_since_;
  SteadyTime retired_at_{};   // when the oldest batch in flight became that
  SteadyTime progress_at_{};  // when the sink last handed bytes over
  bool more_ = false;         // the sink wants to be called again at once
  bool was_given_ = false;    // it holds something, as far as we know
  bool put_off_failed_ = false;

  Position position_;        // of the delivered prefix
  std::vector<Slot> slots_;  // ring; [head_, head_ + used_)
  std::size_t head_ = 0, used_ = 0, window_ = 1;

  std::uint64_t taken_batches_ = 0;        // from the queue
  std::atomic<std::uint64_t> offered_{0};  // to the queue
  std::atomic<std::size_t> in_flight_{0};
  std::atomic<std::int64_t> oldest_us_{0};   // commit time of the oldest batch not yet delivered; 0: none
  std::atomic<bool> holds_position_{false};  // of every sink that is built, a new one after a failed open too
  std::atomic<bool> opened_{false}, detached_{false}, wants_rejoin_{false}, lost_{false}, stuck_{false},
      holds_up_{false};
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Answer> answers_;
  std::optional<Position> held_;
  std::optional<Position> begin_;
  std::optional<std::string> trouble_;
  std::string client_trouble_;
  std::deque<Replay> replays_;
  std::vector<Answer> taken_;  // lane thread: answers_ swapped out
};

}  // namespace deltaforge::pipeline
