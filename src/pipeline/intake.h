// The intake of one run: what the source writes into becomes batches. A batch is cut only at a commit (law 2):
// for size, timer, pause, stop and drained stream alike, and where recut.h says so. Nothing here blocks.
// Source thread only, except pause() and wake().
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/fd.h"
#include "core/source.h"
#include "pipeline/batch_pool.h"
#include "pipeline/handoff.h"
#include "pipeline/options.h"
#include "pipeline/recut.h"

namespace deltaforge::pipeline {

class BatchIntake final : public Intake {
 public:
  struct Parts {
    BatchPool& pool;
    PageBudget& budget;
    WakeFd& wake;
    Handoff<BatchPtr>& out;                 // as long as the pool, so a push never fails
    std::function<void()> pushed;           // rings the transform stage
    std::function<bool()> downstream_idle;  // no batch waits for a lane
    const PositionAlgebra& algebra;
    const Clock& clock;
  };
  BatchIntake(Parts parts, const BatchOptions& options);

  bool room() override;
  Event& event() override;
  Pages& pages() override;
  void commit(const Mark&, const TransactionInfo&) override;
  void idle(const Mark&) override;
  void rollback() override;
  void drained() override;
  SteadyTime deadline() const override;
  int wake_fd() const override { return parts_.wake.fd(); }

  // Any thread.
  void pause(bool on);
  void wake() { parts_.wake.signal(); }

  // Where a reconnect inside this run goes on: after the last commit taken in. Source thread, after rollback().
  void begin_at(const Position& position) { cut_position_ = position; }
  Position resume_position() const;
  // What was sent by earlier runs and may be sent again. Source thread, before the first event. `name`: for the log.
  void repeat(std::span<const Stretch> stretches, std::string name) { recut_.begin(stretches, std::move(name)); }
  // The source has returned: what is committed goes on its way, but for a stretch that is not complete: the next run
  // reads it again.
  void finish();

 private:
  bool ensure_open();
  bool memory_for_more();
  void record(const Mark&, const TransactionInfo*);
  void cut(Cut why);
  void cut_what_is_due(bool paused);
  bool is_full() const;
  bool has_commits() const { return open_ != nullptr && !open_->commits().empty(); }

  Parts parts_;
  const BatchOptions options_;
  std::atomic<bool> paused_{false};

  BatchPtr open_;
  BatchSeq next_seq_{1};
  Recut recut_;
  Position cut_position_;        // after the last batch that was cut
  bool in_transaction_ = false;  // from the first page or event that was asked for until the commit
  std::uint32_t total_order_ = 0;
  std::uint32_t committed_events_ = 0;  // of the open batch
  std::size_t committed_bytes_ = 0;
  bool idle_last_ = false;  // the open batch ends with a position-only record
  SteadyTime due_ = SteadyTime::max();
  SteadyTime next_idle_cut_{};  // position-only batches go out at most every 10 s
};

}  // namespace deltaforge::pipeline
