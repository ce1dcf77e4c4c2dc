#include "server/plan.h"

#include <array>
#include <cstdlib>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "obs/log.h"
#include "pipeline/position_record.h"
#include "pipeline/run.h"
#include "pipeline/source_state.h"
#include "pipeline/start_positions.h"
#include "pipeline/state_keys.h"
#include "server/components.h"
#include "server/config_files.h"
#include "server/plan_text.h"
#include "server/spec_store.h"
#include "storage/state_copy.h"

namespace deltaforge::server {
namespace {

// Of all that is asked of one component. Each of its waits is 10 s at most, but a name server may let us hang.
constexpr std::chrono::seconds kPatience{60};

struct Answer {
  PlanReport report;
  bool whole = true;  // nothing was thrown
  // Of a sink: whether it is one that keeps its position, and that.
  bool holds_position = false;
  std::optional<Position> held;
};

// Asks on a thread of its own, which is left behind if it does not come back.
class Question {
 public:
  explicit Question(std::function<void(Answer&)> ask) : answer_(std::make_shared<Answer>()) {
    std::packaged_task<void()> task([answer = answer_, ask = std::move(ask)] {
      try {
        answer->whole = answer->report.check([&] { ask(*answer); });
      } catch (const std::exception& error) {
        answer->whole = false;
        answer->report.problem(error.what());
      }
    });
    done_ = task.get_future();
    std::thread(std::move(task)).detach();
  }
  Answer wait(bool& hangs) {
    if (done_.wait_for(kPatience) == std::future_status::ready) return std::move(*answer_);
    hangs = true;
    Answer late;
    late.whole = false;
    late.report.problem(fmt::format("no answer within {} s", kPatience.count()),
                        "check the host's name and the name servers of this machine");
    return late;
  }

 private:
  std::shared_ptr<Answer> answer_;
  std::future<void> done_;
};

// What a start would find in the state, and a copy to work on.
struct State {
  std::string place, backend;
  PlanReport report;
  std::shared_ptr<Store> store;  // null: it cannot be read
};

void read_state(const storage::StateOptions& options, State& state) {
  storage::FoundState found = storage::look_at_state(options);
  state.place = found.database;
  if (!found.exists) state.report.step("there is no state yet: makes it, every pipeline begins afresh");
  if (found.holder)
    state.report.problem(
        fmt::format("in use by process {}: what is told here is what that one has stored by now", *found.holder),
        "stop that one first, or give this one a --storage-path of its own");
  constexpr std::array kNamespaces{
      kRemovals,           pipeline::kCheckpoints, pipeline::kOrigins, pipeline::kHolds, pipeline::kSinkNotes,
      pipeline::kIdentity, pipeline::kSourceState};
  storage::StateCopy copy = storage::copy_state(found, kNamespaces);
  for (const std::string& key : copy.resets) {
    pipeline::forget_positions(*copy.store, key);
    state.report.fact(fmt::format("{}: reset by an operator, begins afresh", key));
  }
  state.store = std::move(copy.store);
}

State look_at_state(const RunOptions& run, const StorageOptions& section) {
  State state;
  const Backend backend = run.backend.value_or(section.backend.value_or(Backend::sqlite));
  state.backend = backend == Backend::memory ? "memory" : backend == Backend::sqlite ? "sqlite" : "postgres";
  storage::StateOptions options;
  if (section.path) options.path = *section.path;
  if (run.storage_path) options.path = *run.storage_path;
  options.require_state = run.require_state;
  if (backend == Backend::sqlite) {
    state.place = options.path;
    state.report.check([&] { read_state(options, state); });
  } else if (backend == Backend::memory) {
    state.report.warning("nothing is kept when the process ends: every start is a first one");
    state.store = storage::copy_state({}, {}).store;
  } else {
    state.report.problem("not in this build: storage backend postgres", "--storage-backend sqlite or memory");
  }
  return state;
}

// One pipeline that is built and asked, but never started. Shared with the threads that ask.
struct Subject {
  Subject(const pipeline::PipelineSpec& of, std::shared_ptr<Store> kept, const pipeline::Identity& identity)
      : spec(of),
        store(std::move(kept)),
        source(spec.source.build({spec.name, spec.tenant, std::to_string(identity.epoch)})),
        codec(source->positions(), identity.uid, identity.epoch),
        source_state(*store, spec.source.id) {}

  const pipeline::PipelineSpec spec;
  const std::shared_ptr<Store> store;
  const std::unique_ptr<Source> source;
  const pipeline::RecordCodec codec;
  pipeline::StoredSourceState source_state;
  Start start;
};

void ask_sink(const Subject& subject, const SinkMaker& maker, Answer& answer) {
  SinkContext context;
  context.pipeline = subject.spec.name;
  context.tenant = subject.spec.tenant;
  context.positions = &subject.codec;
  context.wake = [] {};
  context.count_bytes = [](std::uint64_t) {};
  context.trouble = [](const std::string&) {};
  context.hold_off = [](SteadyTime) {};
  context.recall = [&] {
    return subject.store->get(pipeline::kSinkNotes, pipeline::sink_key(subject.spec.source.id, maker.id)).value_or("");
  };
  context.remember = [](std::string_view) {};
  const std::unique_ptr<Sink> sink = maker.build(context);
  answer.holds_position = sink->holds_position();
  answer.held = sink->plan(answer.report);
  if (answer.held) answer.report.fact("holds its position itself: " + subject.source->positions().show(*answer.held));
}

// Of one that was not asked, or not to the end, the store alone is believed.
std::vector<pipeline::StartPositions::SinkState> sink_states(const Subject& subject,
                                                             const std::vector<Answer>& answers) {
  std::vector<pipeline::StartPositions::SinkState> states;
  for (const SinkMaker& maker : subject.spec.sinks) states.push_back({maker.id, false, std::nullopt});
  for (std::size_t i = 0; i < answers.size(); ++i)
    if (answers[i].whole) states[i] = {states[i].id, answers[i].holds_position, answers[i].held};
  return states;
}

void find_positions(Subject& subject, const std::vector<Answer>& answers, PlanReport& report) {
  const PositionAlgebra& algebra = subject.source->positions();
  const std::string& source = subject.spec.source.id;
  auto states = sink_states(subject, answers);
  std::vector<std::string> origins;
  for (auto& state : states) {
    const std::string key = pipeline::sink_key(source, state.id);
    if (const auto hold = pipeline::Hold::read(*subject.store, key); hold && hold->lost) {
      state.lost = true;
      report.warning(fmt::format("sink {}: {}", state.id, hold->message()));
    }
    origins.push_back(state.held                                        ? "its own"
                      : subject.store->get(pipeline::kCheckpoints, key) ? "stored"
                      : subject.store->get(pipeline::kOrigins, key)     ? "where it began"
                                                                    : "new: joins where the slowest of the others is");
  }
  pipeline::StartPositions positions(*subject.store, subject.codec, algebra, source);
  subject.start.lanes = positions.find(states);
  subject.start.meet = positions.meet(states, subject.start.lanes);
  if (subject.start.meet.empty()) return report.fact("no position yet: this is a first start");
  for (std::size_t i = 0; i < states.size(); ++i)
    if (!subject.start.lanes[i].empty())
      report.fact(
          fmt::format("position of sink {}: {} ({})", states[i].id, algebra.show(subject.start.lanes[i]), origins[i]));
  for (std::size_t i = 0; i < states.size(); ++i)
    if (states[i].lost) subject.start.lanes[i] = Position();
}

class Planner {
 public:
  Planner(const State& state, bool offline) : state_(state), offline_(offline) {}

  PipelinePlan look(const Document& document) {
    PipelinePlan plan{document.name, document.file, {}};
    PlanPart& part = plan.parts.emplace_back(PlanPart{"document", "", "", {}});
    for (const auto& problem : document.problems.problems()) part.report.problem(problem.text());
    for (const auto& warning : document.warnings.problems()) part.report.warning(warning.text());
    if (document.spec) {
      claim_source(document.name, document.spec->source.id, part.report);
      look_inside(*document.spec, plan);
    }
    return plan;
  }
  // A component did not come back.
  bool hangs() const { return hangs_; }

 private:
  void claim_source(const std::string& name, const std::string& id, PlanReport& report) {
    auto [owner, is_first] = sources_.try_emplace(id, name);
    if (!is_first)
      report.problem(fmt::format("pipeline '{}' reads the source id '{}' already", owner->second, id),
                     "give spec.source.config.id a name of its own");
  }

  void look_inside(const pipeline::PipelineSpec& spec, PipelinePlan& plan) {
    plan.parts.push_back({"state", state_.place, state_.backend, state_.report});
    // Without positions nobody knows what to ask.
    if (state_.store == nullptr) return;
    const std::size_t at = plan.parts.size() - 1;
    PlanReport report = state_.report;
    if (state_.store->get(kRemovals, spec.name))
      report.step("finishes a deletion that was cut short: what it made on the source goes, positions too");
    std::vector<Answer> answers;
    std::optional<Answer> of_source;
    report.check([&] {
      auto subject =
          std::make_shared<Subject>(spec, state_.store, pipeline::Identity::load_or_make(*state_.store, spec.name));
      subject->start.state = &subject->source_state;
      if (!offline_) answers = ask_sinks(subject);
      find_positions(*subject, answers, report);
      if (offline_) return;
      Question question([subject](Answer& answer) { subject->source->plan(subject->start, answer.report); });
      of_source = question.wait(hangs_);
    });
    plan.parts[at].report = std::move(report);
    if (offline_) return;
    if (of_source) plan.parts.push_back({"source", spec.source.id, spec.source.type, std::move(of_source->report)});
    for (std::size_t i = 0; i < answers.size(); ++i)
      plan.parts.push_back({"sink", spec.sinks[i].id, spec.sinks[i].type, std::move(answers[i].report)});
  }

  std::vector<Answer> ask_sinks(const std::shared_ptr<Subject>& subject) {
    std::vector<Question> questions;
    for (const SinkMaker& maker : subject->spec.sinks)
      questions.emplace_back([subject, &maker](Answer& answer) { ask_sink(*subject, maker, answer); });
    std::vector<Answer> answers;
    for (Question& question : questions) answers.push_back(question.wait(hangs_));
    return answers;
  }

  const State& state_;
  const bool offline_;
  bool hangs_ = false;
  std::map<std::string, std::string> sources_;  // source id -> pipeline
};

// It is nobody's document, and nothing runs with a wrong one.
PipelinePlan of_storage_section(const config::Report& problems) {
  PipelinePlan plan{"(all)", "storage", {{"document", "", "", {}}}};
  for (const auto& problem : problems.problems()) plan.parts.front().report.problem(problem.text());
  return plan;
}

}  // namespace

std::size_t PipelinePlan::problems() const {
  std::size_t count = 0;
  for (const PlanPart& part : parts)
    for (const Finding& finding : part.report.findings()) count += finding.kind == Finding::Kind::problem ? 1 : 0;
  return count;
}

int plan(const std::vector<std::string>& files, const RunOptions& run, const PlanOptions& options, std::ostream& out) {
  // What a start would log as a warning stands in the plan.
  obs::configure_log(obs::Level::error, obs::Format::text);
  Configuration configuration = load(files, components());
  State state = look_at_state(run, configuration.storage);
  std::vector<PipelinePlan> plans;
  Planner planner(state, options.offline);
  for (const Document& document : configuration.documents) plans.push_back(planner.look(document));
  if (!configuration.storage_problems.ok()) plans.push_back(of_storage_section(configuration.storage_problems));
  out << (options.json ? print_json(plans) : print_text(plans)) << std::flush;
  int code = kDone;
  for (const PipelinePlan& each : plans)
    if (each.problems() > 0) code = kInvalid;
  if (planner.hangs()) std::_Exit(code);
  return code;
}

}  // namespace deltaforge::server
