// One run of a pipeline: the parts and threads between a source and its sinks, from a start position to a stop or a
// failure. Source, transform, one lane per sink, checkpoint: each a thread with a Bell; none of them polls.
// Made and destroyed by the pipeline's supervisor; the questions may come from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "core/store.h"
#include "pipeline/checkpointer.h"
#include "pipeline/hold.h"
#include "pipeline/intake.h"
#include "pipeline/journal.h"
#include "pipeline/lane.h"
#include "pipeline/log_release.h"
#include "pipeline/pipeline.h"
#include "pipeline/position_record.h"
#include "pipeline/reread.h"
#include "pipeline/start_positions.h"
#include "pipeline/transform.h"

namespace deltaforge::pipeline {

// Who a pipeline is, in every position record. Made at its first start.
struct Identity {
  std::string uid;
  std::uint64_t epoch = 1;
  static Identity load_or_make(Store&, const std::string& pipeline);
};

class Run {
 public:
  // `journal`: null when there is none. `patience`: see Reread. `changed`: the supervisor should look at failure() and
  // wants_rejoin(). `on_trial`: see LogRelease. Throws Error when a part cannot be built.
  Run(const PipelineSpec&, Store&, Journal* journal, const Identity&, bool paused, bool on_trial, Duration patience,
      std::function<void()> changed);
  ~Run();  // halt()

  void pause(bool on) { intake_.pause(on); }
  void end_trial() { log_.end_trial(); }
  // Reads no more, delivers what was read, stores positions. False: the deadline, which may change meanwhile, passed
  // first, or a processor gave up.
  bool drain(const std::function<SteadyTime()>& deadline);
  // Stops every thread and closes the sinks; what is undelivered will be read again. Idempotent.
  void halt();

  // Sends a dead letter again, to whom it was refused by; it leaves the journal once it was taken. `done` comes from
  // any thread, or never when the run ends first. The answer says why it cannot be sent; nothing: it is on its way.
  using Answer = std::function<void(std::optional<std::string> failure)>;
  std::optional<std::string> replay(const DeadLetter&, Answer done);

  std::optional<Error> failure() const;  // set once: the run is over
  bool wants_rejoin() const;
  struct Reading {
    SteadyTime over;   // since then those that were ahead of the others at the start would get what is new
    bool nothing_new;  // but nothing was
    bool quiet;        // everybody who is there has all that there is
  };
  std::optional<Reading> reading();  // nothing: the run still reads again what they have
  bool connected() const { return connected_.load(std::memory_order_acquire); }
  // Conditions that degrade the pipeline just now, by place: one of these, or "sink x".
  static constexpr const char* kSourceTrouble = "source";
  static constexpr const char* kStoreTrouble = "store";
  static constexpr const char* kJournalTrouble = "journal";
  std::map<std::string, Error> troubles() const;
  std::vector<std::string> warnings() const;
  std::vector<SinkStatus> sinks() const;
  double lag_seconds() const;  // age of the oldest commit in flight
  void publish();              // sets the gauges that are read, not counted

 private:
  void read_source(std::stop_token);
  bool loses_held(const Start&);
  bool prepare_start(std::stop_token, Start&);
  bool all_open() const;
  bool leave_out_late();
  void begin_at(const Position& meet, const std::vector<Position>& starts);
  void transform(std::stop_token);
  void deliver(Lane&, std::stop_token);
  void checkpoint(std::stop_token);
  void fail(const Error&);
  void begin_thread(const char* name, std::function<void(std::stop_token)> body);
  void set_trouble(const std::string& place, std::optional<Error>);
  void pause_for(std::stop_token, std::chrono::milliseconds);
  bool drained(bool gave_up) const;
  bool is_quiet(SteadyTime since) const;
  std::unique_ptr<Lane> make_lane(std::size_t index, const SinkMaker&);
  std::unique_ptr<Desk> make_desk(Stage);
  void add_processors();
  void warn_of_absent(const std::string& processor);

  const PipelineSpec& spec_;
  Store& store_;
  Journal* const journal_;
  const Clock& clock_ = Clock::system();
  std::function<void()> changed_;

  std::unique_ptr<Source> source_;
  const PositionAlgebra& algebra_;
  LogRelease log_;
  RecordCodec codec_;
  StartPositions starts_;
  Ledger ledger_;
  Holds holds_;
  Reread reread_;
  Bell checkpoint_bell_, source_bell_;
  WakeFd wake_;
  PageBudget budget_;
  ReplayBatches replays_;
  BatchPool pool_;  // outlives all who hold its batches
  Handoff<BatchPtr> cut_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Transform transform_;
  BatchIntake intake_;
  Checkpointer checkpointer_;
  SourceProbe source_probe_;
  CheckpointProbe checkpoint_probe_;

  std::atomic<bool> connected_{false}, source_done_{false};
  bool halted_ = false;     // by the supervisor; whoever holds the run longest comes after it
  bool disk_full_ = false;  // source thread: the transaction at hand found no room to spill, since the last batch
  std::mutex publishing_;
  mutable std::mutex mutex_;           // guards what follows
  std::set<std::uint64_t> replaying_;  // seqs of dead letters that are on their way
  std::optional<Error> failure_;
  std::map<std::string, Error> troubles_;
  std::map<std::string, std::string, std::less<>> warnings_;

  std::stop_source source_stop_;
  std::vector<std::jthread> threads_;  // last member: they end first
};

}  // namespace deltaforge::pipeline
