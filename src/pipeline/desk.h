// The desk of one stage (a sink, a processor): what becomes of events that it cannot take, and which of those that
// follow must wait. It belongs to the stage's thread; only note_change() is for any.
//
//   an event is refused        -> keep(): a dead letter, on the disk before the position passes it
//   park_keys: its row's next  -> screen(): parked behind it, durable as well
//   the dead letter goes       -> release(): what was parked, in order, before anything newer of its row
//
// After a restart the log is read again from before the last entries. Their events are left out; and until the log has
// shown the place of one, what comes is older than it: the entry holds nothing back, and is not sent either.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/position.h"
#include "core/sink.h"
#include "pipeline/journal.h"
#include "pipeline/replay.h"
#include "pipeline/row_keys.h"

namespace deltaforge::pipeline {

class Desk {
 public:
  struct Parts {
    Journal& journal;
    ReplayBatches& batches;
    Stage stage;
    const PositionAlgebra& algebra;
    const PositionCodec& codec;
    std::uint64_t run;  // Journal::begin_run()
  };
  explicit Desk(Parts parts) : parts_(std::move(parts)) {}

  // Where the stage stands at the start of a run. Throws Error{storage}.
  void begin(const Position& start);
  // Any thread: entries were removed.
  void note_change() { changed_.store(true, std::memory_order_release); }

  // `base`: where the stage stands before the batch; a batch of a replay has no marks and moves nothing. Nothing: it is
  // kept, or thrown away as configured. Otherwise why it must be offered again.
  // `orders`, of a replay: where its events stand, by commit.
  std::optional<std::string> keep(const Batch&, const Reject&, const Position& base, std::span<const Order> orders);
  // Of the events [first, last), those that are not for the stage now; ascending, appended. Parked ones are durable.
  // Otherwise why they cannot be parked: ask again later. `base` as in keep().
  std::optional<std::string> screen(const Batch&, const Position& base, std::span<const Order> orders,
                                    std::uint32_t first, std::uint32_t last, std::vector<std::uint32_t>& left_out);
  // A kept event that the log has not shown again yet: what is older than it may still have to come.
  bool is_ahead(const Batch& kept) const;
  // Nothing to screen for.
  bool is_clear() const { return blocked_.empty() && known_.empty(); }
  // The stage stands here now: what it has passed is not shown again.
  void passed(const Position&);
  // Rows are held back behind dead letters, so nothing may be sent past a refused event before screen() has seen it.
  bool parks() const { return parts_.journal.options().dlq.park_keys; }

  // Parked events that may go on: the stage delivers them before anything newer, and says `done`. One at a time.
  struct Release {
    BatchPtr batch;
    std::vector<Order> orders;
    std::function<void(ReplayResult)> done;
  };
  std::optional<Release> release();
  // release() has something to look at.
  bool is_changed() const { return changed_.load(std::memory_order_acquire) && !releasing_; }

  const Stage& stage() const { return parts_.stage; }

 private:
  struct Known {
    Position position;
    RowKeys rows;
    bool parked = false;
    bool shown = false;  // since the start
    Order order = {};    // once shown
  };
  struct Parked {
    std::vector<ParkedEvent> events;
    std::vector<std::uint64_t> twice;  // dead letters by now: they wait no more
    bool more = false;                 // of those that may go on
    BlockedRows blocked;               // once these are on their way
  };

  std::vector<DeadLetter> letters() const;
  void learn(std::string event_id, const std::string& position, const RowKeys&, bool parked);
  void show(Known&, Order);
  void show_before(const Mark&, Order);
  Order order_of(const Batch&, std::uint32_t event, std::span<const Order> orders) const;
  Order order_of(const std::string& event_id, Order stored) const;
  bool is_ahead(const std::string& event_id) const;
  std::string place(const Batch&, const Position& base, std::uint32_t commit) const;
  // What blocks and, of what is parked, what may go on.
  Parked look();
  void finish_release(const std::vector<std::uint64_t>& seqs, const ReplayResult&);

  const Parts parts_;
  std::atomic<bool> changed_{false};
  std::atomic<bool> releasing_{false};  // a processor's release ends on a lane's thread
  BlockedRows blocked_;
  std::unordered_map<std::string, Known> known_;  // by event id: what the log will show once more; few
};

}  // namespace deltaforge::pipeline
