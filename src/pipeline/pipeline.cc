#include "pipeline/pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <thread>
#include <utility>

#include "base/bell.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "pipeline/probe.h"
#include "pipeline/run.h"
#include "pipeline/state_keys.h"
#include "pipeline/supervisor.h"

namespace deltaforge::pipeline {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRejoinDrain{30'000};
constexpr milliseconds kLook{200};  // while a detached sink waits to have its share read again
constexpr std::chrono::seconds kCleanInterval{60}, kCleanFor{5};  // of old dead letters
constexpr std::chrono::seconds kRetryFor{20};                     // a caller of the API waits so long

}  // namespace

ErrorInfo info_of(const Error& error) { return {std::string(to_string(error.kind())), error.message(), error.hint()}; }

std::string_view to_string(Status status) {
  switch (status) {
    case Status::starting: return "starting";
    case Status::running: return "running";
    case Status::degraded: return "degraded";
    case Status::paused: return "paused";
    case Status::stopped: return "stopped";
    case Status::failed: return "failed";
  }
  return "unknown";
}

// The supervisor thread alone makes and ends runs; callers say what they want and ring its bell.
class Pipeline::Impl {
 public:
  Impl(PipelineSpec spec, Store& store) : spec_(std::move(spec)), store_(store), probe_(spec_.name) {
    if (!spec_.batch.respect_source_tx)
      obs::warn("respect_source_tx: false changes nothing in this build, a transaction is always one batch",
                {{"pipeline", spec_.name}});
    if (spec_.journal.enabled)
      journal_ = std::make_unique<Journal>(spec_.journal, spec_.name, store_, spec_.journal_encoder(), Clock::system());
    supervisor_ = std::jthread([this](std::stop_token stop) { supervise(stop); });
  }

  ~Impl() {
    supervisor_.request_stop();
    bell_.ring();
    supervisor_.join();
  }

  void try_out() {
    std::lock_guard lock(mutex_);
    on_trial_ = true;
  }

  void end_trial() {
    std::lock_guard lock(mutex_);
    on_trial_ = false;
    if (run_) run_->end_trial();
  }

  void want_running() {
    std::lock_guard lock(mutex_);
    if (!std::exchange(wanted_, true) || paused_ || failure_) probe_.begun();
    paused_ = false;
    failure_.reset();
    if (run_) run_->pause(false);
    bell_.ring();
  }

  void pause() {
    std::lock_guard lock(mutex_);
    if (!std::exchange(paused_, true)) probe_.paused();
    if (run_) run_->pause(true);
  }

  bool stop(milliseconds deadline) {
    std::unique_lock lock(mutex_);
    wanted_ = false;
    failure_.reset();
    stop_deadline_ = Clock::system().now() + deadline;
    drained_ = true;
    bell_.ring();
    ended_.wait(lock, [this] { return run_ == nullptr && !starting_; });
    return drained_;
  }

  PipelineStatus status() const;
  const PipelineSpec& spec() const { return spec_; }
  Journal* journal() const { return journal_.get(); }
  std::optional<std::vector<Retried>> retry(const RetryRequest&);

 private:
  void supervise(std::stop_token);
  SteadyTime look(SteadyTime now);
  void begin_run();
  void end_run(std::shared_ptr<Run>, const std::function<SteadyTime()>& deadline);
  SteadyTime drain_until(SteadyTime latest) const;
  void note_failure(const Error&);
  std::vector<SinkStatus> stored_sinks() const;
  SteadyTime clean_journal(SteadyTime now);
  void look_for_orphans();
  std::optional<JournalStatus> journal_status() const;

  const PipelineSpec spec_;
  Store& store_;
  std::unique_ptr<Journal> journal_;
  SteadyTime clean_at_{};  // supervisor thread
  RejoinSpacing spacing_;  // supervisor thread
  Bell bell_;
  LifeProbe probe_;

  mutable std::mutex mutex_;  // guards what follows; never held while a run starts, drains or ends
  std::condition_variable ended_;
  bool wanted_ = false, paused_ = false, drained_ = true;
  bool on_trial_ = false;
  bool starting_ = false;  // a run is being made
  SteadyTime stop_deadline_{};
  std::shared_ptr<Run> run_;
  SteadyTime started_{};
  std::optional<Error> failure_;
  std::optional<SteadyTime> again_at_;
  std::string orphans_;  // a warning: kept events that nobody delivers

  std::jthread supervisor_;
};

void Pipeline::Impl::supervise(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const SteadyTime next = look(Clock::system().now());
    bell_.wait_until(std::min(next, clean_journal(Clock::system().now())));
  }
  std::shared_ptr<Run> run;
  {
    std::lock_guard lock(mutex_);
    run = run_;
  }
  if (run) end_run(run, {});
}

// One look at what is wanted and what is. Returns when to look again without a ring.
SteadyTime Pipeline::Impl::look(SteadyTime now) {
  std::unique_lock lock(mutex_);
  std::shared_ptr<Run> run = run_;
  if (run) {
    if (auto failure = run->failure()) {
      lock.unlock();
      end_run(run, {});
      note_failure(*failure);
      return now;
    }
    if (!wanted_) {
      const SteadyTime latest = stop_deadline_;
      lock.unlock();
      end_run(run, [this, latest] { return drain_until(latest); });
      return now;
    }
    if (run->wants_rejoin()) {
      const auto reading = run->reading();
      if (!reading) return now + kLook;
      const SteadyTime next = spacing_.next(reading->over, reading->nothing_new && reading->quiet);
      // It may become quiet, which brings the next restart forward; what was new stays so.
      if (now < next) return reading->nothing_new && !reading->quiet ? std::min(next, now + kLook) : next;
      lock.unlock();
      spacing_.restarting(now, reading->quiet);
      obs::info("a detached sink answers again: restarting the source so that it can catch up",
                {{"pipeline", spec_.name}});
      end_run(run, [this, latest = now + kRejoinDrain] { return drain_until(latest); });
      return now;
    }
    return SteadyTime::max();
  }
  if (!wanted_) return SteadyTime::max();
  if (failure_) {
    if (!again_at_) return SteadyTime::max();
    if (now < *again_at_) return *again_at_;
  }
  starting_ = true;
  lock.unlock();
  begin_run();
  return SteadyTime::max();
}

void Pipeline::Impl::begin_run() {
  bool paused, on_trial;
  {
    std::lock_guard lock(mutex_);
    paused = paused_;
    on_trial = on_trial_;
  }
  spacing_.begun();
  try {
    look_for_orphans();
    if (journal_) journal_->begin();
    auto run = std::make_shared<Run>(spec_, store_, journal_.get(), Identity::load_or_make(store_, spec_.name), paused,
                                     on_trial, spacing_.patience(), [this] { bell_.ring(); });
    std::lock_guard lock(mutex_);
    run_ = std::move(run);
    run_->pause(paused_);
    if (!on_trial_) run_->end_trial();
    started_ = Clock::system().now();
  } catch (const Error& error) {
    note_failure(error);
  } catch (const std::exception& error) {
    obs::count_panic();
    note_failure(Error(ErrorKind::internal, std::string("cannot start: ") + error.what()));
  }
  std::lock_guard lock(mutex_);
  starting_ = false;
  ended_.notify_all();
  bell_.ring();
}

// A stop may come meanwhile, with a deadline of its own.
SteadyTime Pipeline::Impl::drain_until(SteadyTime latest) const {
  std::lock_guard lock(mutex_);
  return wanted_ ? latest : stop_deadline_;
}

// No deadline: nothing is drained.
void Pipeline::Impl::end_run(std::shared_ptr<Run> run, const std::function<SteadyTime()>& deadline) {
  bool drained = !deadline || run->drain(deadline);
  run->halt();
  if (!drained)
    obs::warn("stopped before everything was delivered; the rest will be read again", {{"pipeline", spec_.name}});
  std::lock_guard lock(mutex_);
  run_.reset();
  drained_ = drained_ && drained;
  ended_.notify_all();
}

void Pipeline::Impl::note_failure(const Error& error) {
  Verdict verdict = judge(error.kind());
  obs::error("run task ended with error",
             {{"pipeline", spec_.name},
              {"kind", to_string(error.kind())},
              {"error", std::string_view(error.what())},
              {"again", verdict.again ? "in " + std::to_string(verdict.again->count()) + " s"
                                      : "after POST /pipelines/" + spec_.name + "/resume"}});
  std::lock_guard lock(mutex_);
  failure_ = error;
  again_at_.reset();
  if (verdict.again) again_at_ = Clock::system().now() + *verdict.again;
}

// Old dead letters go, while the pipeline runs. Returns when to come again.
SteadyTime Pipeline::Impl::clean_journal(SteadyTime now) {
  if (!journal_) return SteadyTime::max();
  {
    std::lock_guard lock(mutex_);
    if (!run_) return SteadyTime::max();
  }
  if (now < clean_at_) return clean_at_;
  try {
    journal_->clean(now + kCleanFor);
  } catch (const Error& error) {
    obs::log_limited(obs::Level::error, spec_.name, "old dead letters cannot be removed, trying again",
                     {{"pipeline", spec_.name}, {"error", std::string_view(error.what())}});
  }
  clean_at_ = now + kCleanInterval;
  return clean_at_;
}

// A journal that was switched off leaves what it holds where it is.
void Pipeline::Impl::look_for_orphans() {
  if (journal_) return;
  const std::size_t letters = store_.queued(Journal::kNamespace, Journal::dead_letters_of(spec_.name));
  const std::size_t parked = store_.queued(Journal::kNamespace, Journal::parked_of(spec_.name));
  if (letters + parked == 0) return;
  const std::string text =
      "the journal holds " + std::to_string(letters) + " dead letters and " + std::to_string(parked) +
      " events that wait behind them, but it is switched off: nobody delivers them until journal.enabled is true";
  obs::warn(text, {{"pipeline", spec_.name}});
  std::lock_guard lock(mutex_);
  orphans_ = text;
}

std::optional<JournalStatus> Pipeline::Impl::journal_status() const try {
  if (!journal_) return std::nullopt;
  journal_->publish();
  return JournalStatus{journal_->count(), journal_->parked_count(), journal_->lost()};
} catch (const Error&) {
  return std::nullopt;  // the store's trouble shows where it matters
}

std::optional<std::vector<Retried>> Pipeline::Impl::retry(const RetryRequest& request) {
  std::shared_ptr<Run> run;
  {
    std::lock_guard lock(mutex_);
    run = run_;
  }
  if (!run || !journal_) return std::nullopt;
  const Clock& clock = Clock::system();
  return pipeline::retry(*journal_, *run, request, clock, clock.now() + kRetryFor);
}

// Without a run: what the store knows of them.
std::vector<SinkStatus> Pipeline::Impl::stored_sinks() const try {
  std::vector<SinkStatus> sinks;
  for (const SinkMaker& maker : spec_.sinks) {
    SinkStatus sink;
    sink.id = maker.id;
    sink.type = maker.type;
    sink.required = maker.required;
    const std::string key = sink_key(spec_.source.id, maker.id);
    const auto hold = Hold::read(store_, key);
    sink.state = hold && hold->lost ? "lost" : "detached";
    if (hold && hold->lost) sink.error = hold->message();
    sink.position = store_.get(kCheckpointsShort, key).value_or("");
    sinks.push_back(std::move(sink));
  }
  return sinks;
} catch (const Error&) {
  return {};  // the store's trouble shows where it matters
}

PipelineStatus Pipeline::Impl::status() const {
  PipelineStatus status;
  std::shared_ptr<Run> run;
  bool paused, wanted;
  {
    std::lock_guard lock(mutex_);
    run = run_;
    paused = paused_;
    wanted = wanted_;
    if (failure_) status.error = info_of(*failure_);
    if (!orphans_.empty()) status.warnings.push_back(orphans_);
    if (run) status.uptime_seconds = std::chrono::duration<double>(Clock::system().now() - started_).count();
  }
  status.journal = journal_status();
  if (!run) {
    status.status = status.error ? Status::failed : wanted ? Status::starting : Status::stopped;
    status.sinks = stored_sinks();
    return status;
  }
  status.error.reset();
  auto troubles = run->troubles();
  if (!troubles.empty()) status.error = info_of(troubles.begin()->second);
  status.status = paused              ? Status::paused
                  : !troubles.empty() ? Status::degraded
                  : !run->connected() ? Status::starting
                                      : Status::running;
  status.processing =
      run->connected() && !troubles.contains(Run::kSourceTrouble) && !troubles.contains(Run::kStoreTrouble);
  for (std::string& warning : run->warnings()) status.warnings.push_back(std::move(warning));
  status.sinks = run->sinks();
  status.lag_seconds = run->lag_seconds();
  run->publish();
  return status;
}

Pipeline::Pipeline(PipelineSpec spec, Store& store) : impl_(std::make_unique<Impl>(std::move(spec), store)) {}
Pipeline::~Pipeline() = default;
void Pipeline::start(bool on_trial) {
  if (on_trial) impl_->try_out();
  impl_->want_running();
}
void Pipeline::end_trial() { impl_->end_trial(); }
void Pipeline::pause() { impl_->pause(); }
void Pipeline::resume() { impl_->want_running(); }
bool Pipeline::stop(std::chrono::milliseconds deadline) { return impl_->stop(deadline); }
PipelineStatus Pipeline::status() const { return impl_->status(); }
const PipelineSpec& Pipeline::spec() const { return impl_->spec(); }
Journal* Pipeline::journal() const { return impl_->journal(); }
std::optional<std::vector<Retried>> Pipeline::retry(const RetryRequest& request) { return impl_->retry(request); }

}  // namespace deltaforge::pipeline
