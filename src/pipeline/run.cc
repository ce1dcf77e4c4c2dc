#include "pipeline/run.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "obs/log.h"
#include "obs/metrics.h"
#include "pipeline/source_state.h"
#include "pipeline/state_keys.h"
#include "pipeline/steps.h"
#include "pipeline/supervisor.h"

namespace deltaforge::pipeline {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kQuiet{1}, kLongQuiet{10};  // the second when nobody knows where the log ends

// In the place of one that is gone, see steps.h.
class AbsentProcessor final : public Processor {
 public:
  void process(Batch&) override {}
};

std::vector<bool> required_sinks(const PipelineSpec& spec) {
  std::vector<bool> required;
  for (const SinkMaker& sink : spec.sinks) required.push_back(sink.required);
  return required;
}

bool none_required(const PipelineSpec& spec) {
  return std::ranges::none_of(spec.sinks, [](const SinkMaker& sink) { return sink.required; });
}

std::vector<std::string> sink_ids(const PipelineSpec& spec) {
  std::vector<std::string> ids;
  for (const SinkMaker& sink : spec.sinks) ids.push_back(sink.id);
  return ids;
}

}  // namespace

Identity Identity::load_or_make(Store& store, const std::string& pipeline) {
  if (auto stored = store.get(kIdentity, pipeline)) {
    auto json = nlohmann::json::parse(*stored, nullptr, false);
    if (!json.is_object() || !json.contains("uid"))
      throw Error(ErrorKind::storage, fmt::format("the identity of pipeline '{}' in the store is damaged", pipeline),
                  "restore the state directory from a backup");
    return {json["uid"].get<std::string>(), json.value("epoch", std::uint64_t{1})};
  }
  std::random_device random;
  std::uint64_t high = std::uint64_t{random()} << 32 | random(), low = std::uint64_t{random()} << 32 | random();
  Identity identity{fmt::format("{:016x}{:016x}", high, low), 1};
  Store::Entry entry{kIdentity, pipeline, fmt::format(R"({{"uid":"{}","epoch":1}})", identity.uid)};
  store.put({&entry, 1});
  return identity;
}

Run::Run(const PipelineSpec& spec, Store& store, Journal* journal, const Identity& identity, bool paused, bool on_trial,
         Duration patience, std::function<void()> changed)
    : spec_(spec),
      store_(store),
      journal_(journal),
      changed_(std::move(changed)),
      source_(spec.source.build({spec.name, spec.tenant, std::to_string(identity.epoch)})),
      algebra_(source_->positions()),
      log_(*source_, on_trial),
      codec_(algebra_, identity.uid, identity.epoch),
      starts_(store, codec_, algebra_, spec.source.id),
      ledger_(spec.sinks.size(), algebra_, CommitRule(spec.commit_policy, required_sinks(spec)), clock_),
      holds_({.store = store,
              .ledger = ledger_,
              .algebra = algebra_,
              .clock = clock_,
              .pipeline = spec.name,
              .source_id = spec.source.id,
              .sinks = spec.sinks,
              .passed =
                  [this] {
                    const SourceGauges gauges = source_->gauges();
                    return gauges.passed_bytes != 0 ? gauges.passed_bytes : gauges.received_bytes;
                  },
              .lost = [this](std::size_t sink) { lanes_[sink]->lose(); },
              .release = [this](const Position& position) { log_.up_to(position); }}),
      reread_(algebra_, clock_, patience),
      budget_(spec.batch.memory_bytes.count, spec.spill_directory),
      replays_(spec.spill_directory),
      pool_(static_cast<std::size_t>(spec.batch.max_inflight) + Lane::kMaxWindow + 3, budget_, wake_),
      cut_(pool_.count()),
      lanes_([&] {
        std::vector<std::unique_ptr<Lane>> lanes;
        for (std::size_t i = 0; i < spec.sinks.size(); ++i) lanes.push_back(make_lane(i, spec.sinks[i]));
        return lanes;
      }()),
      transform_({.in = cut_,
                  .lanes = lanes_,
                  .algebra = algebra_,
                  .clock = clock_,
                  .probe = BatchProbe(spec.name, spec.source.id),
                  .trouble =
                      [this](const std::optional<std::string>& why) {
                        set_trouble(
                            kJournalTrouble,
                            why ? std::optional<Error>(std::in_place, ErrorKind::unavailable, *why) : std::nullopt);
                      },
                  .passed = [this](const Batch& batch) { reread_.passed(batch.marks(), batch.size() > 0); },
                  .optional = [this](std::size_t lane) { return ledger_.may_detach(lane); },
                  .patient = [this] { return reread_.is_patient(); }}),
      intake_({.pool = pool_,
               .budget = budget_,
               .wake = wake_,
               .out = cut_,
               .pushed =
                   [this] {
                     transform_.bell().ring();
                     if (std::exchange(disk_full_, false)) set_trouble(kSourceTrouble, std::nullopt);
                   },
               .downstream_idle =
                   [this] {
                     return transform_.empty() &&
                            std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->idle(); });
                   },
               .algebra = algebra_,
               .clock = clock_},
              spec.batch),
      checkpointer_({.ledger = ledger_,
                     .store = store,
                     .codec = codec_,
                     .algebra = algebra_,
                     .release = [this](const Position& position) { log_.up_to(position); },
                     .source_id = spec.source.id,
                     .sink_ids = sink_ids(spec),
                     .on_stored = [this] { wake_.signal(); }}),
      source_probe_(spec.name, spec.source.id),
      checkpoint_probe_(spec.name) {
  add_processors();
  if (journal_ != nullptr)
    journal_->on_change([this] {
      for (auto& lane : lanes_) lane->note_change();
      transform_.note_change();
    });
  intake_.pause(paused);
  for (auto& lane : lanes_) begin_thread("df-lane", [this, &lane](std::stop_token stop) { deliver(*lane, stop); });
  begin_thread("df-transform", [this](std::stop_token stop) { transform(stop); });
  begin_thread("df-checkpoint", [this](std::stop_token stop) { checkpoint(stop); });
  begin_thread("df-source", [this](std::stop_token) { read_source(source_stop_.get_token()); });
}

Run::~Run() { halt(); }

std::unique_ptr<Lane> Run::make_lane(std::size_t index, const SinkMaker& maker) {
  SinkContext context;
  context.pipeline = spec_.name;
  context.tenant = spec_.tenant;
  const std::string key = sink_key(spec_.source.id, maker.id);
  context.recall = [this, key] { return store_.get(kSinkNotes, key).value_or(""); };
  context.remember = [this, key](std::string_view note) {
    const Store::Entry entry{kSinkNotes, key, std::string(note)};
    store_.put({&entry, 1});
  };
  return std::make_unique<Lane>(Lane::Parts{.index = index,
                                            .maker = maker,
                                            .context = std::move(context),
                                            .algebra = algebra_,
                                            .codec = codec_,
                                            .ledger = ledger_,
                                            .clock = clock_,
                                            .probe = LaneProbe(spec_.name, maker.id, maker.required),
                                            .awaited = maker.required || none_required(spec_),
                                            .freed =
                                                [this] {
                                                  transform_.bell().ring();
                                                  source_bell_.ring();
                                                },
                                            .retired = [this] { checkpoint_bell_.ring(); },
                                            .rejoin = [this] { changed_(); },
                                            .opened = [this] { source_bell_.ring(); },
                                            .seed = std::random_device{}(),
                                            .deadline = spec_.sink_batch_deadline,
                                            .desk = make_desk({false, maker.id}),
                                            .lost = holds_.is_lost(index),
                                            .sent = std::make_unique<Sent>(store_, key, algebra_)},
                                static_cast<std::size_t>(spec_.batch.max_inflight));
}

std::unique_ptr<Desk> Run::make_desk(Stage stage) {
  if (journal_ == nullptr) return nullptr;
  return std::make_unique<Desk>(Desk::Parts{*journal_, replays_, std::move(stage), algebra_, codec_});
}

void Run::add_processors() {
  const std::vector<StepSpec> steps =
      journal_ == nullptr ? find_steps(spec_.processors, {}, {})
                          : find_steps(spec_.processors, journal_->processors(), journal_->kept_processors());
  std::vector<std::string> ids;
  std::size_t copiers = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const StepSpec& step = steps[i];
    ids.push_back(step.id);
    ProcessorContext context{.pipeline = spec_.name, .tenant = spec_.tenant, .copiers = copiers};
    if (journal_ != nullptr)
      context.set_aside = [this, i](const Batch& batch, std::uint32_t event, std::string reason) {
        transform_.set_aside(i, batch, event, std::move(reason));
      };
    if (journal_ != nullptr)
      context.had_letter = [this](std::uint32_t first, std::uint32_t last) {
        return transform_.had_letter(first, last);
      };
    if (!step.maker) warn_of_absent(step.id);
    auto made = step.maker ? step.maker->build(context) : std::make_unique<AbsentProcessor>();
    copiers += made->copies() ? 1 : 0;
    transform_.add({std::move(made), make_desk({true, step.id}), ProcessorProbe(spec_.name, step.id)});
  }
  if (journal_ != nullptr) journal_->note_processors(ids);
}

void Run::warn_of_absent(const std::string& processor) {
  const std::string text = fmt::format(
      "the journal keeps events of the processor '{}', which is gone: they go on without it once its entries are "
      "retried or acknowledged",
      processor);
  obs::warn(text, {{"pipeline", spec_.name}, {"processor", processor}});
  std::lock_guard lock(mutex_);
  warnings_["processor " + processor] = text;
}

// The name is what `top -H` shows, 15 characters at most.
void Run::begin_thread(const char* name, std::function<void(std::stop_token)> body) {
  threads_.emplace_back([this, name, body = std::move(body)](std::stop_token stop) {
    ::pthread_setname_np(::pthread_self(), name);
    try {
      body(stop);
    } catch (const Error& error) {
      fail(error);
    } catch (const std::exception& error) {
      obs::count_panic();
      fail(Error(ErrorKind::internal, fmt::format("pipeline '{}': {}", spec_.name, error.what())));
    }
  });
}

void Run::fail(const Error& error) {
  {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
  }
  changed_();
}

void Run::read_source(std::stop_token stop) {
  struct Done {
    std::atomic<bool>& flag;
    ~Done() { flag.store(true, std::memory_order_release); }
  } done{source_done_};
  std::stop_callback wake(stop, [this] {
    intake_.wake();
    source_bell_.ring();
  });
  StoredSourceState state(store_, spec_.source.id);
  Backoff backoff(milliseconds(100), milliseconds(5'000));
  Start start;
  start.state = &state;
  start.connected = [&] {
    connected_.store(true, std::memory_order_release);
    if (disk_full_) return;  // it will be so again, before long
    backoff.reset();
    set_trouble(kSourceTrouble, std::nullopt);
  };
  start.begin_at = [&](const Position& position) {
    starts_.begin_at(position, sink_ids(spec_));
    begin_at(position, std::vector<Position>(lanes_.size(), position));
    start.meet = position;
  };
  start.warn = [this](std::string_view key, std::string_view text) {
    std::lock_guard lock(mutex_);
    if (text.empty())
      warnings_.erase(std::string(key));
    else
      warnings_[std::string(key)] = text;
  };
  bool prepared = false;
  while (!stop.stop_requested()) {
    try {
      if (!prepared && !prepare_start(stop, start)) return;
      prepared = true;
      source_->run(intake_, start, stop);
      if (!stop.stop_requested()) throw Error(ErrorKind::unavailable, "the source ended its stream");
    } catch (const Error& error) {
      source_probe_.failed(std::string(to_string(error.kind())));
      if (error.kind() == ErrorKind::position_lost && loses_held(start))
        throw Error(ErrorKind::unavailable, "sinks that were away are lost: going on without them");
      if (!retried_inside(error.kind())) throw;
      intake_.rollback();
      disk_full_ = error.kind() == ErrorKind::storage;
      set_trouble(kSourceTrouble, error);
      obs::log_limited(
          obs::Level::warn, spec_.name, "source failed, trying again",
          {{"pipeline", spec_.name}, {"source", spec_.source.id}, {"error", std::string_view(error.what())}});
      source_probe_.reconnected();
      if (prepared && !start.meet.empty()) start.meet = intake_.resume_position();
      pause_for(stop, backoff.next());
    }
  }
  intake_.finish();
}

void Run::pause_for(std::stop_token stop, milliseconds time) {
  SteadyTime until = clock_.now() + time;
  while (!stop.stop_requested() && clock_.now() < until) source_bell_.wait_until(until);
}

void Run::transform(std::stop_token stop) {
  std::stop_callback wake(stop, [this] { transform_.stop(); });
  while (!stop.stop_requested())
    if (!transform_.step()) transform_.bell().wait_until(transform_.due());
}

void Run::deliver(Lane& lane, std::stop_token stop) {
  std::stop_callback wake(stop, [&lane] { lane.bell().ring(); });
  while (!stop.stop_requested()) lane.bell().wait_until(lane.step());
}

void Run::checkpoint(std::stop_token stop) {
  std::stop_callback wake(stop, [this] { checkpoint_bell_.ring(); });
  Backoff backoff(milliseconds(100), milliseconds(5'000));
  while (!stop.stop_requested()) {
    SteadyTime next = SteadyTime::max();
    try {
      SteadyTime begin = clock_.now();
      while (checkpointer_.step()) {
        SteadyTime end = clock_.now();
        checkpoint_probe_.stored(static_cast<double>(clock_.wall_us()) / 1e6,
                                 std::chrono::duration<double>(end - begin).count());
        begin = end;
        backoff.reset();
        set_trouble(kStoreTrouble, std::nullopt);
      }
      next = holds_.step();
    } catch (const Error& error) {
      if (!retried_inside(error.kind())) throw;
      set_trouble(kStoreTrouble, error);
      obs::log_limited(obs::Level::error, spec_.name, "positions cannot be stored, trying again; nothing is released",
                       {{"pipeline", spec_.name}, {"error", std::string_view(error.what())}});
      next = clock_.now() + backoff.next();
    }
    checkpoint_bell_.wait_until(next);
  }
}

// As far as it gets: what waits behind a row that nobody takes is not waited for.
bool Run::drained(bool gave_up) const {
  return source_done_.load(std::memory_order_acquire) && (gave_up || transform_.empty()) &&
         std::ranges::all_of(lanes_,
                             [](const auto& lane) { return lane->detached() || lane->empty() || lane->stuck(); }) &&
         ledger_.clean();
}

bool Run::drain(const std::function<SteadyTime()>& deadline) {
  source_stop_.request_stop();
  transform_.wind_down();
  for (;;) {
    // What was handed on before is delivered still.
    const bool stuck = std::ranges::any_of(lanes_, [](const auto& lane) { return lane->stuck(); });
    const bool gave_up = transform_.gave_up() || transform_.is_full() || stuck;
    if (drained(gave_up)) return !gave_up;
    if (clock_.now() >= deadline() || failure()) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
}

void Run::halt() {
  if (std::exchange(halted_, true)) return;  // the journal may belong to another run by now
  source_stop_.request_stop();
  for (std::jthread& thread : threads_) thread.request_stop();
  for (std::jthread& thread : threads_)
    if (thread.joinable()) thread.join();
  if (journal_ != nullptr) journal_->on_change({});
  for (auto& lane : lanes_) lane->close();
  publish();
}

std::optional<std::string> Run::replay(const DeadLetter& letter, Answer done) {
  {
    std::lock_guard lock(mutex_);
    if (!replaying_.insert(letter.seq).second) return "it is on its way already";
  }
  const auto answer = [this, seq = letter.seq, done = std::move(done)](const ReplayResult& result) {
    std::optional<std::string> failure;
    if (!result.taken || !result.refused.empty()) failure = result.why;
    try {
      if (!failure) journal_->drop(seq);
    } catch (const Error& error) {
      failure = std::string("it was delivered, but is still in the journal: ") + error.what();
    }
    {
      std::lock_guard lock(mutex_);
      replaying_.erase(seq);
    }
    done(std::move(failure));
  };
  std::optional<std::string> problem;
  try {
    const std::string_view kept = letter.kept;
    BatchPtr batch = replays_.make({&kept, 1});
    if (!journal_->holds(letter.why.stage, letter.event_id)) {
      problem = "it has left the journal meanwhile";
    } else if (letter.why.stage.is_processor) {
      if (!transform_.replay(letter.why.stage.id, std::move(batch), letter.why.order, letter.why.position, answer))
        problem = "there is no processor '" + letter.why.stage.id + "' any more";
    } else {
      const auto lane = std::ranges::find(lanes_, letter.why.stage.id, [](const auto& each) { return each->id(); });
      if (lane == lanes_.end())
        problem = "there is no sink '" + letter.why.stage.id + "' any more";
      else
        (*lane)->replay({.batch = BatchRef(std::move(batch)), .orders = {letter.why.order}, .done = answer});
    }
  } catch (const Error& error) {
    problem = error.what();
  }
  if (problem) {
    std::lock_guard lock(mutex_);
    replaying_.erase(letter.seq);
  }
  return problem;
}

std::optional<Error> Run::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

bool Run::wants_rejoin() const {
  return std::any_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->wants_rejoin(); });
}

std::optional<Run::Reading> Run::reading() {
  // Nothing comes any more: what the sinks that are ahead have got may have been without events.
  if (const auto last = reread_.last(); last && !reread_.over() && is_quiet(*last)) reread_.end();
  const auto over = reread_.over();
  if (!over) return std::nullopt;
  const SteadyTime last = std::max(*over, reread_.last_event().value_or(*over));
  return Reading{*over, last == *over, is_quiet(last)};
}

// Nothing has come from the source since then, and what came before is delivered.
bool Run::is_quiet(SteadyTime since) const {
  const std::int64_t behind = source_->gauges().log_end_lag_bytes;
  if (behind > 0 || clock_.now() - since < (behind == 0 ? kQuiet : kLongQuiet)) return false;
  if (!connected() || !transform_.empty()) return false;
  if (!std::ranges::all_of(lanes_, [](const auto& lane) { return lane->detached() || lane->empty(); })) return false;
  std::lock_guard lock(mutex_);
  return !troubles_.contains(kSourceTrouble);
}

void Run::set_trouble(const std::string& place, std::optional<Error> error) {
  std::lock_guard lock(mutex_);
  if (error)
    troubles_.insert_or_assign(place, std::move(*error));
  else
    troubles_.erase(place);
}

std::map<std::string, Error> Run::troubles() const {
  std::map<std::string, Error> all;
  {
    std::lock_guard lock(mutex_);
    all = troubles_;
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const auto& lane = lanes_[i];
    auto why = lane->lost() ? holds_.message(i) : lane->trouble();
    if (lane->detached() && !why) why = "detached: it catches up when it answers again";
    if (why)
      all.insert_or_assign("sink " + lane->id(),
                           Error(ErrorKind::unavailable, fmt::format("sink '{}': {}", lane->id(), *why)));
  }
  return all;
}

std::vector<std::string> Run::warnings() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> texts;
  for (const auto& [key, text] : warnings_) texts.push_back(text);
  return texts;
}

std::vector<SinkStatus> Run::sinks() const {
  std::vector<SinkStatus> all;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const Lane& lane = *lanes_[i];
    SinkStatus status;
    status.id = lane.id();
    status.type = lane.maker().type;
    status.required = lane.maker().required;
    status.state = lane.lost() ? "lost" : lane.detached() ? "detached" : "attached";
    status.opened = lane.opened();
    status.error = lane.lost() ? holds_.message(i) : lane.trouble();
    if (Position position = ledger_.durable(i); !position.empty()) status.position = algebra_.show(position);
    if (double age = ledger_.age_seconds(i); age >= 0) status.age_seconds = age;
    status.behind = !lane.empty() || lane.detached();
    all.push_back(std::move(status));
  }
  return all;
}

double Run::lag_seconds() const {
  double lag = 0;
  for (const auto& lane : lanes_) lag = std::max(lag, lane->lag_seconds());
  return lag;
}

void Run::publish() {
  std::lock_guard lock(publishing_);
  SourceGauges gauges = source_->gauges();
  const double lag = lag_seconds();
  source_probe_.lag(lag);
  if (lag == 0) transform_.probe().caught_up();
  source_probe_.received(gauges.received_bytes);
  source_probe_.schemas(gauges.schemas_known, gauges.schemas_learnt);
  const double now = static_cast<double>(clock_.wall_us()) / 1e6;
  for (std::size_t i = 0; i < lanes_.size(); ++i)
    if (double age = ledger_.age_seconds(i); age >= 0) checkpoint_probe_.sink_stored(lanes_[i]->id(), now - age);
  source_probe_.idle(static_cast<double>(gauges.idle_us) / 1e6);
  if (gauges.log_end_lag_bytes >= 0) source_probe_.log_lag(static_cast<double>(gauges.log_end_lag_bytes));
  const std::size_t on_disk = budget_.on_disk();
  source_probe_.memory(static_cast<double>(budget_.used() - on_disk), static_cast<double>(on_disk));
}

}  // namespace deltaforge::pipeline
