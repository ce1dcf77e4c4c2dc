// A simulated engine: the real intake, transform, lanes, ledger, checkpointer and start positions, driven by a seeded
// scheduler instead of threads, with a scripted source and sinks that fail in every way a sink may. One object is one
// process: it is destroyed to crash.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/checkpointer.h"
#include "pipeline/intake.h"
#include "pipeline/journal.h"
#include "pipeline/lane.h"
#include "pipeline/position_record.h"
#include "pipeline/start_positions.h"
#include "pipeline/testing/sim_rows.h"
#include "pipeline/testing/sim_store.h"
#include "pipeline/testing/sim_world.h"
#include "pipeline/transform.h"

namespace deltaforge::pipeline::testing {

class SimClock final : public Clock {
 public:
  SteadyTime now() const override { return now_; }
  std::int64_t wall_us() const override { return 0; }
  void advance(Duration by) { now_ += by; }

 private:
  SteadyTime now_{std::chrono::hours(1)};
};

// Reads the log through the intake, a few messages a step; loses its link in the middle of transactions.
class SimSource final : public Source {
 public:
  explicit SimSource(SimWorld& world) : world_(world) {}
  void begin(BatchIntake& intake, Position from);
  void step();
  bool at_end() const { return next_ == world_.log.size() && row_ == 0; }

  void run(Intake&, const Start&, std::stop_token) override {}
  void release(const Position& position) override { world_.released(end_of(position)); }
  const PositionAlgebra& positions() const override { return algebra_; }

 private:
  void seek(std::uint64_t end);
  void read_one();

  SimWorld& world_;
  SimAlgebra algebra_;
  BatchIntake* intake_ = nullptr;
  std::size_t next_ = 0;   // transaction being read
  std::uint32_t row_ = 0;  // rows of it that were read
};

class SimEngine {
 public:
  // `journal`: null when there is none.
  SimEngine(SimWorld& world, SimStore& store, SimClock& clock, const BatchOptions& batch, const CommitPolicy& policy,
            Journal* journal = nullptr);
  ~SimEngine();

  // One step of one part, chosen by the world's random numbers. Throws Error when a run would fail.
  void step();
  // As Run::replay().
  using Answer = std::function<void(std::optional<std::string> failure)>;
  std::optional<std::string> replay(const DeadLetter&, Answer done);
  // What the other threads do while the transform stage waits for room in the journal.
  std::function<void()> meanwhile;
  // Everything in the log is delivered, stored and released.
  bool finished() const;
  bool wants_rejoin() const;
  std::string describe() const;  // for the message of a hang
  bool leaks() const;            // something still holds a batch though nothing is in flight

 private:
  void prepare_start();
  std::unique_ptr<Desk> make_desk(Stage);
  void add_processors();
  void step_a_lane();
  void transform_waits();

  SimWorld& world_;
  SimStore& store_;
  Journal* const journal_;
  SimClock& clock_;
  SimSource source_;
  const PositionAlgebra& algebra_;
  RecordCodec codec_;
  StartPositions starts_;
  Ledger ledger_;
  WakeFd wake_;
  PageBudget budget_;
  ReplayBatches replays_;
  BatchPool pool_;
  Handoff<BatchPtr> cut_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Transform transform_;
  BatchIntake intake_;
  Checkpointer checkpointer_;
  bool started_ = false, paused_ = false;
  std::set<std::uint64_t> replaying_;
};

}  // namespace deltaforge::pipeline::testing
