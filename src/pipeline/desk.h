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
  };
  explicit Desk(Parts parts) : parts_(std::move(parts)) {}

  // Where the stage stands at the start of a run. Throws Error{storage}.
  void begin(const Position& start);
  // Any thread: entries were removed.
  void note_change() { changed_.store(true, std::memory_order_release); }

  // `base`: where the stage stands before the batch; a batch of a replay has no marks and moves nothing. Nothing: it is
  // kept, or thrown away as configured. Otherwise why it must be offered again.
  // `orders`, of a replay: where its transactions stand in the log, by commit. `positions`: see Replay.
  std::optional<std::string> keep(const Batch&, const Reject&, const Position& base, std::span<const Order> orders,
                                  std::span<const std::string> positions = {});
  // What screen() is asked about.
  struct Question {
    const Batch& batch;
    const Position& base;                         // as in keep(),
    std::span<const Order> orders;                // this too
    bool released = false;                        // the batch is this desk's own release
    bool beyond = false;                          // more may be parked than should be
    std::span<const std::string> positions = {};  // see Replay
  };
  // Of the events [first, last), those that are not for the stage now; ascending, appended. Parked ones are durable.
  // Otherwise why they cannot be parked: ask again later.
  std::optional<std::string> screen(const Question&, std::uint32_t first, std::uint32_t last,
                                    std::vector<std::uint32_t>& left_out);
  // Of these events those that are dead letters of this stage since they came as they come now: what had waited before
  // it became one was not there when the log showed it. Appended; nothing, or why it cannot be told now.
  std::optional<std::string> find_letters(const Batch&, std::span<const std::uint32_t> events,
                                          std::vector<std::uint32_t>& letters);
  // Why no further batch should be begun by a stage that parks beyond the limit.
  std::optional<std::string> no_room();
  // Events of a replay that the stage cannot be given in this run: they wait, and come as the next run's release, in
  // their place. Nothing: they are durable. Otherwise why not.
  std::optional<std::string> put_off(const Replay&);
  // A kept event that the log has not shown again yet: what is older than it may still have to come.
  bool is_ahead(const Batch& kept) const;
  // Where a transaction of the log stands.
  Order place_of(const Batch&, std::uint32_t commit);
  // Older events of the dead letter's row wait, or are dead letters.
  bool is_behind(const Batch& letter, std::span<const Order> orders);
  // Nothing to screen the log for.
  bool is_clear() const { return blocked_.empty() && known_.empty(); }
  // The stage stands here now: what it has passed is not shown again.
  void passed(const Position&);
  // Rows are held back behind dead letters, so nothing may be sent past a refused event before screen() has seen it.
  bool parks() const { return parts_.journal.options().dlq.park_keys; }

  // Parked events that may go on: the stage delivers them before anything newer, and says `done`. One at a time.
  struct Release {
    BatchPtr batch;
    std::vector<Order> orders;
    std::vector<std::string> positions;  // see Replay
    std::function<void(ReplayResult)> done;
  };
  // Those that stand before `bound`; whether others may go on, once what stands there has gone, says has_later().
  std::optional<Release> release(Order bound = kBehindAll);
  bool has_later() const { return has_later_; }
  // release() has something to look at.
  bool is_changed() const { return changed_.load(std::memory_order_acquire) && !releasing_; }

  const Stage& stage() const { return parts_.stage; }

 private:
  struct Known {
    Position position;
    RowKeys rows;
    Order order;
    bool shown = false;  // since the start
  };
  struct Parked {
    Briefs events;
    std::vector<std::uint64_t> twice;  // dead letters by now: they wait no more
    bool more = false;                 // of those that may go on
    bool later = false;                // some that could stand behind the bound
    BlockedRows blocked;               // once these are on their way
  };

  void learn(const Brief&);
  void show(Known&);
  void show_before(const Mark&);
  Order order_of(const Batch&, std::uint32_t event, std::span<const Order> orders);
  bool is_ahead(const std::string& event_id) const;
  // An event of a replay that waits already keeps its position.
  std::string place(const Batch&, const Position& base, std::uint32_t commit, const std::string& event_id,
                    std::span<const std::string> positions);
  // What blocks and, of what is parked, what may go on.
  Parked look(Order bound = kBehindAll);
  void finish_release(const Briefs&, const ReplayResult&);

  const Parts parts_;
  std::atomic<bool> changed_{false};
  bool has_later_ = false;
  std::pair<std::uint64_t, std::uint64_t> log_{};  // LogPlace::log of the last event, its number; 0 stands for itself
  std::atomic<bool> releasing_{false};             // a processor's release ends on a lane's thread
  BlockedRows blocked_;
  std::unordered_map<std::string, Known> known_;  // by event id: what the log will show once more; few
};

}  // namespace deltaforge::pipeline
