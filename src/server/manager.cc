#include "server/manager.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <functional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "obs/log.h"
#include "obs/metrics.h"

namespace deltaforge::server {

using pipeline::ErrorInfo;
using pipeline::info_of;
using pipeline::PipelineStatus;
using pipeline::Status;

namespace {

constexpr std::chrono::seconds kDrain{25};     // of a pipeline that is changed or deleted
constexpr std::chrono::seconds kFirstLook{5};  // a caller likes to see what became of it
constexpr std::chrono::seconds kTrial{10};     // for a changed pipeline to come to run
const ErrorInfo kDraining{"unavailable", "the process is shutting down", ""};

Outcome refused(ErrorInfo why) { return {Change::refused, std::move(why)}; }

// Waits for a status that `enough` likes; the last one when there is none in time.
PipelineStatus settle(const Runnable& pipeline, std::chrono::seconds patience,
                      const std::function<bool(const PipelineStatus&)>& enough) {
  const auto until = std::chrono::steady_clock::now() + patience;
  for (;;) {
    PipelineStatus status = pipeline.status();
    if (enough(status) || std::chrono::steady_clock::now() >= until) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

bool has_begun(const PipelineStatus& status) { return status.status != Status::starting; }

// The source streams, and every sink that must has answered, and takes what there is.
bool runs(const PipelineStatus& status) {
  const bool streams = status.status == Status::running || (status.status == Status::degraded && status.processing);
  return streams && std::ranges::all_of(
                        status.sinks, [](const auto& sink) { return !sink.required || (sink.opened && !sink.error); });
}

// The sinks of one that the other has not.
std::vector<std::string> sinks_lacking(const Document& in, const Document& of) {
  std::vector<std::string> ids;
  if (!of.spec) return ids;
  for (const SinkMaker& sink : of.spec->sinks)
    if (!in.spec || std::ranges::none_of(in.spec->sinks, [&](const SinkMaker& other) { return other.id == sink.id; }))
      ids.push_back(sink.id);
  return ids;
}

PipelineStatus failed_with(ErrorInfo error) {
  PipelineStatus status;
  status.status = Status::failed;
  status.error = std::move(error);
  return status;
}

// The name of a user's label as Prometheus can take it.
std::string metric_label(const std::string& name) {
  std::string safe = "label_" + name;
  std::ranges::replace_if(
      safe, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return safe;
}

double status_number(Status status) {
  switch (status) {
    case Status::running:
    case Status::degraded: return 1;
    case Status::paused: return 0.5;
    case Status::failed: return -1;
    case Status::starting:
    case Status::stopped: return 0;
  }
  return 0;
}

constexpr std::string_view kInfo = "deltaforge_pipeline_info";

obs::Labels info_labels(const Document& document) {
  obs::Labels labels{{"pipeline", document.name}};
  for (const auto& [name, text] : document.labels) labels[metric_label(name)] = text;
  labels["tenant"] = document.spec ? document.spec->tenant : "";
  return labels;
}

}  // namespace

struct Manager::Entry {
  explicit Entry(Document from) : document(std::move(from)) {}

  const Document document;
  std::mutex changing;  // held while the state is changed: pause, resume, stop, start, and what the API does besides
  bool gone = false;    // removed or replaced; guarded by `changing`

  // Guarded by the manager's mutex.
  std::shared_ptr<Runnable> runnable;  // null until the document could be launched
  std::optional<ErrorInfo> error;      // why the manager did not start it
};

Manager::Manager(Launch launch, SpecStore& specs) : launch_(std::move(launch)), specs_(specs) {}
Manager::~Manager() = default;

void Manager::announce(std::vector<Document> documents) {
  std::lock_guard lock(mutex_);
  for (Document& document : documents) {
    if (find_entry(document.name)) {
      obs::warn("two pipelines of one name: the one that was made through the API stays out",
                {{"pipeline", document.name}});
      continue;
    }
    auto entry = std::make_shared<Entry>(std::move(document));
    if (!entry->document.spec) entry->error = entry->document.error();
    entries_.push_back(std::move(entry));
  }
}

void Manager::start() {
  std::vector<EntryPtr> entries;
  {
    std::lock_guard lock(mutex_);
    entries = entries_;
  }
  end_strangers_removals();
  for (const EntryPtr& entry : entries) {
    std::lock_guard changing(entry->changing);
    const bool begun = runnable(*entry) != nullptr;  // a call of the API was faster
    if (entry->document.spec && !entry->gone && !begun && !finish_removal(entry))
      start(*entry, Occasion::start_of_process);
  }
}

void Manager::start(Entry& entry, Occasion occasion) {
  if (!claim_source(entry)) return;
  try {
    // Whoever starts it wants it: a deletion that could not be finished is given up.
    if (specs_.removal_begun(entry.document.name)) specs_.end_removal(entry.document.name);
    std::shared_ptr<Runnable> runnable = this->runnable(entry);
    if (runnable) return runnable->resume();
    runnable = launch_(*entry.document.spec);
    if (occasion == Occasion::start_of_process && owns_state(entry)) runnable->forget_strangers();
    runnable->start(occasion == Occasion::trial);
    std::lock_guard lock(mutex_);
    entry.runnable = std::move(runnable);
    entry.error.reset();
  } catch (const Error& error) {
    could_not_start(entry, info_of(error));
  } catch (const std::exception& error) {  // no thread, no memory
    obs::count_panic();
    could_not_start(entry, {"internal", error.what(), ""});
  }
}

// It stays, then: the next start runs it.
void Manager::give_up_removal(const std::string& name) try { specs_.end_removal(name); } catch (const Error& error) {
  obs::error("the next start will try again to delete the pipeline",
             {{"pipeline", name}, {"error", std::string_view(error.what())}});
}

// Of names that nobody has: all but the mark was gone. Whoever takes the name later must not meet it.
void Manager::end_strangers_removals() try {
  for (const std::string& name : specs_.removals())
    if (!entry(name)) specs_.end_removal(name);
} catch (const Error& error) {
  obs::error("marks of deletions could not be read", {{"error", std::string_view(error.what())}});
}

bool Manager::finish_removal(const EntryPtr& entry) {
  const std::string& name = entry->document.name;
  try {
    if (!specs_.removal_begun(name)) return false;
    obs::warn("finishing the deletion of a pipeline that was cut short", {{"pipeline", name}});
    if (owns_state(*entry)) launch_(*entry->document.spec)->retire();
    release_source(*entry);
    specs_.forget(name);
    specs_.end_removal(name);
  } catch (const Error& error) {
    ErrorInfo why = info_of(error);
    why.message = "its deletion was cut short and cannot be finished: " + why.message;
    why.hint = "delete it again; " + why.hint;
    could_not_start(*entry, std::move(why));
    return true;
  } catch (const std::exception& error) {  // no thread, no memory
    obs::count_panic();
    could_not_start(*entry, {"internal", error.what(), ""});
    return true;
  }
  if (!entry->document.from_api) return false;  // its file is still there: it begins afresh
  replace(entry, nullptr);
  obs::Metrics::instance().forget("pipeline", name);
  return true;
}

void Manager::could_not_start(Entry& entry, ErrorInfo why) {
  obs::error("pipeline could not be started", {{"pipeline", entry.document.name}, {"error", why.message}});
  release_source(entry);
  std::lock_guard lock(mutex_);
  entry.error = std::move(why);
}

bool Manager::claim_source(Entry& entry) {
  const std::string& id = entry.document.spec->source.id;
  std::lock_guard lock(mutex_);
  const Entry* owner = sources_.try_emplace(id, &entry).first->second;
  if (owner == &entry) {
    entry.error.reset();
    return true;
  }
  entry.error =
      ErrorInfo{"SOURCE_ID_IN_USE",
                "starting pipeline '" + entry.document.name + "': pipeline '" + owner->document.name +
                    "' already reads the source id '" + id + "'",
                "give spec.source.config.id a name of its own, or stop the other pipeline and resume this one"};
  obs::error("pipeline could not be started",
             {{"pipeline", entry.document.name}, {"error", std::string_view(entry.error->message)}});
  return false;
}

std::shared_ptr<Runnable> Manager::runnable(const Entry& entry) const {
  std::lock_guard lock(mutex_);
  return entry.runnable;
}

Manager::EntryPtr Manager::find_entry(const std::string& name) const {
  auto found = std::ranges::find_if(entries_, [&](const EntryPtr& e) { return e->document.name == name; });
  return found == entries_.end() ? nullptr : *found;
}

Manager::EntryPtr Manager::entry(const std::string& name) const {
  std::lock_guard lock(mutex_);
  return find_entry(name);
}

Manager::Held Manager::take(const std::string& name) const {
  for (;;) {
    Held held{entry(name), {}};
    if (!held.entry) return held;
    held.lock = std::unique_lock(held.entry->changing);
    if (!held.entry->gone) return held;  // else it was replaced while we waited
  }
}

std::shared_ptr<Runnable> Manager::runnable(const std::string& name) const {
  const EntryPtr found = entry(name);
  return found ? runnable(*found) : nullptr;
}

std::shared_ptr<Runnable> Manager::settled(const std::string& name) const {
  struct Keeper {
    Held held;
    std::shared_ptr<Runnable> runnable;
  };
  const auto keeper = std::make_shared<Keeper>(Keeper{take(name), nullptr});
  if (keeper->held.entry) keeper->runnable = runnable(*keeper->held.entry);
  return {keeper, keeper->runnable.get()};
}

PipelineInfo Manager::describe(const Entry& entry) const {
  std::shared_ptr<Runnable> runnable;
  std::optional<ErrorInfo> error;
  {
    std::lock_guard lock(mutex_);
    runnable = entry.runnable;
    error = entry.error;
  }
  PipelineInfo info{entry.document.name, entry.document.labels, entry.document.echo, {}};
  if (error)
    info.state = failed_with(*error);
  else if (runnable)
    info.state = runnable->status();
  else
    info.state.status = Status::starting;
  return info;
}

std::vector<PipelineInfo> Manager::list() const {
  std::vector<EntryPtr> entries;
  {
    std::lock_guard lock(mutex_);
    entries = entries_;
  }
  std::vector<PipelineInfo> infos;
  for (const EntryPtr& entry : entries) infos.push_back(describe(*entry));
  return infos;
}

std::optional<PipelineInfo> Manager::find(const std::string& name) const {
  EntryPtr found = entry(name);
  if (!found) return std::nullopt;
  return describe(*found);
}

template <class Act>
Change Manager::change(const std::string& name, Act&& act) {
  const Held held = take(name);
  const EntryPtr& found = held.entry;
  if (!found) return Change::unknown_pipeline;
  if (!found->document.spec || draining_) return Change::refused;
  act(*found);
  std::lock_guard lock(mutex_);
  return found->error ? Change::refused : Change::done;
}

Change Manager::pause(const std::string& name) {
  return change(name, [this](Entry& entry) {
    if (auto pipeline = runnable(entry)) pipeline->pause();
  });
}

Change Manager::resume(const std::string& name) {
  return change(name, [this](Entry& entry) { start(entry); });
}

Change Manager::stop(const std::string& name, std::chrono::milliseconds deadline) {
  return change(name, [&](Entry& entry) {
    auto pipeline = runnable(entry);
    if (!pipeline) return;
    pipeline->stop(deadline);
    obs::Metrics::instance().forget_gauges("pipeline", name);
    release_source(entry);
  });
}

void Manager::release_source(const Entry& entry) {
  std::lock_guard lock(mutex_);
  std::erase_if(sources_, [&](const auto& claim) { return claim.second == &entry; });
}

void Manager::hand_source_over(const Entry& from, const Entry& to) {
  std::lock_guard lock(mutex_);
  for (auto& [id, owner] : sources_)
    if (owner == &from) owner = &to;
}

bool Manager::owns_state(const Entry& entry) {
  const std::string& id = entry.document.spec->source.id;
  std::lock_guard lock(mutex_);
  if (sources_.try_emplace(id, &entry).first->second != &entry) return false;
  return std::ranges::none_of(entries_, [&](const EntryPtr& other) {
    return other.get() != &entry && other->document.spec && other->document.spec->source.id == id;
  });
}

Outcome Manager::create(Document document) {
  document.from_api = true;
  document.fallback_name = document.name;
  document.file = kept_as(document.name);
  auto entry = std::make_shared<Entry>(std::move(document));
  std::lock_guard changing(entry->changing);
  {
    std::lock_guard lock(mutex_);
    if (draining_) return refused(kDraining);
    if (find_entry(entry->document.name)) return {Change::exists};
    entries_.push_back(entry);
  }
  const std::string& name = entry->document.name;
  std::optional<ErrorInfo> error = keep_spec(entry->document);
  const bool kept = !error;
  if (!error) {
    start(*entry);
    std::lock_guard lock(mutex_);
    error = entry->error;
  }
  if (error) {
    replace(entry, nullptr);
    obs::Metrics::instance().forget("pipeline", name);
    if (kept) specs_.forget(name);
    return refused(*error);
  }
  settle(*runnable(*entry), kFirstLook, has_begun);
  obs::info("pipeline made through the API", {{"pipeline", name}});
  return {};
}

Outcome Manager::patch(const std::string& name, const Edit& edit) {
  const Held held = take(name);
  const EntryPtr& old = held.entry;
  if (!old) return {Change::unknown_pipeline};
  if (draining_) return refused(kDraining);
  Document changed = edit(old->document);
  if (!changed.spec) return {Change::invalid, changed.error(), changed.problems};
  if (old->document.spec && old->document.spec->source.id != changed.spec->source.id)
    return refused({"SOURCE_ID_CHANGED", "the source's id is what positions, slot and event ids hang on: it stays",
                    "make another pipeline with POST"});
  changed.from_api = old->document.from_api;

  auto fresh = std::make_shared<Entry>(std::move(changed));
  std::lock_guard changing_fresh(fresh->changing);
  std::shared_ptr<Runnable> was = runnable(*old);
  const Status before = was ? was->status().status : Status::failed;
  const bool was_fine = before == Status::running || before == Status::paused;
  if (was) was->stop(kDrain);
  obs::Metrics::instance().forget_gauges("pipeline", old->document.name);
  hand_source_over(*old, *fresh);
  std::optional<ErrorInfo> error = try_out(*fresh, was_fine);
  if (!error && fresh->document.from_api) error = keep_spec(fresh->document);
  if (error) {
    roll_back(*old, *fresh, before);
    return refused(*error);
  }
  if (before == Status::paused) runnable(*fresh)->pause();
  if (was) was->forget_sinks(sinks_lacking(fresh->document, old->document));
  runnable(*fresh)->end_trial();
  replace(old, fresh);
  if (const obs::Labels labels = info_labels(old->document); labels != info_labels(fresh->document))
    obs::Metrics::instance().forget_series(kInfo, labels);
  if (!fresh->document.from_api)
    obs::warn("the pipeline is changed until the next start: its file stays as it is",
              {{"pipeline", name}, {"file", fresh->document.file}});
  return {};
}

void Manager::roll_back(Entry& old, Entry& fresh, Status before) {
  if (auto failed = runnable(fresh)) {
    failed->stop({});
    obs::Metrics::instance().forget_gauges("pipeline", old.document.name);
    failed->forget_sinks(sinks_lacking(old.document, fresh.document));
  }
  hand_source_over(fresh, old);
  auto was = runnable(old);
  if (!was || before == Status::stopped) return release_source(old);
  start(old);
  if (before == Status::paused) was->pause();
}

// Starts it. What is wrong with it, if it does not come to run though it should.
std::optional<ErrorInfo> Manager::try_out(Entry& fresh, bool must_run) {
  start(fresh, Occasion::trial);
  {
    std::lock_guard lock(mutex_);
    if (fresh.error) return fresh.error;
  }
  if (!must_run) {
    settle(*runnable(fresh), kFirstLook, has_begun);
    return std::nullopt;
  }
  const PipelineStatus status = settle(
      *runnable(fresh), kTrial, [](const PipelineStatus& now) { return runs(now) || now.status == Status::failed; });
  if (runs(status)) return std::nullopt;
  if (status.error) return status.error;
  for (const auto& sink : status.sinks)
    if (sink.error) return ErrorInfo{"unavailable", "sink '" + sink.id + "': " + *sink.error, ""};
  return ErrorInfo{"unavailable", "the changed pipeline did not come to run within 10 s", "look into the log"};
}

Outcome Manager::remove(const std::string& name, bool keep_state) {
  const Held held = take(name);
  const EntryPtr& found = held.entry;
  if (!found) return {Change::unknown_pipeline};
  if (draining_) return refused(kDraining);
  if (!found->document.spec && !keep_state)
    return refused({"config", "the document of pipeline '" + name + "' cannot be used, so nobody knows what it made",
                    "?keep_state=true removes the document alone"});
  try {
    std::shared_ptr<Runnable> pipeline = runnable(*found);
    if (pipeline) pipeline->stop(kDrain);
    if (!keep_state) specs_.begin_removal(name);
    if (!keep_state && owns_state(*found)) {
      if (!pipeline) pipeline = launch_(*found->document.spec);
      pipeline->retire();
    } else if (!keep_state) {
      obs::warn("another pipeline has the same source id: what is kept under it stays", {{"pipeline", name}});
    }
    specs_.forget(name);
    specs_.end_removal(name);
  } catch (const Error& error) {
    release_source(*found);
    give_up_removal(name);
    return refused(info_of(error));
  }
  replace(found, nullptr);
  release_source(*found);
  obs::Metrics::instance().forget("pipeline", name);
  if (!found->document.from_api)
    obs::warn("pipeline deleted until the next start: its file is still there",
              {{"pipeline", name}, {"file", found->document.file}});
  return {};
}

Outcome Manager::reset(const std::string& name) {
  const Held held = take(name);
  const EntryPtr& found = held.entry;
  if (!found) return {Change::unknown_pipeline};
  std::shared_ptr<Runnable> pipeline = runnable(*found);
  if (!pipeline || pipeline->status().status != Status::stopped)
    return refused({"PIPELINE_RUNNING", "pipeline '" + name + "' is not stopped: its positions are in use",
                    "POST /pipelines/" + name + "/stop first"});
  std::optional<ErrorInfo> error;
  try {
    if (owns_state(*found))
      pipeline->reset();
    else
      error = ErrorInfo{"SOURCE_ID_IN_USE", "another pipeline has the same source id: the positions are its, too",
                        "delete one of the two"};
  } catch (const Error& failure) {
    error = info_of(failure);
  }
  release_source(*found);
  if (error) return refused(*error);
  return {};
}

std::optional<ErrorInfo> Manager::keep_spec(const Document& document) try {
  specs_.end_removal(document.name);  // of an earlier one of this name
  specs_.keep(document.name, document.root);
  return std::nullopt;
} catch (const Error& error) {
  return info_of(error);
}

// `by` null: nothing comes in its place. Both are being changed by the caller.
void Manager::replace(const EntryPtr& old, EntryPtr by) {
  old->gone = true;
  std::lock_guard lock(mutex_);
  auto place = std::ranges::find(entries_, old);
  if (by)
    *place = std::move(by);
  else
    entries_.erase(place);
}

bool Manager::drain(std::chrono::milliseconds deadline) {
  draining_ = true;
  std::vector<EntryPtr> entries;
  {
    std::lock_guard lock(mutex_);
    entries = entries_;
  }
  std::atomic<bool> all_in_time{true};
  std::vector<std::jthread> threads;
  for (const EntryPtr& entry : entries) {
    threads.emplace_back([this, &entry, deadline, &all_in_time] {
      const Held held = take(entry->document.name);  // a change that is under way ends first, and may put another here
      auto pipeline = held.entry ? runnable(*held.entry) : nullptr;
      if (pipeline && !pipeline->stop(deadline)) all_in_time = false;
    });
  }
  threads.clear();  // joins
  return all_in_time;
}

void Manager::publish_metrics() const {
  auto& metrics = obs::Metrics::instance();
  metrics.counter("deltaforge_panics_total", {});  // seen before the first
  metrics.gauge("deltaforge_build_info", {{"version", DELTAFORGE_VERSION}}).set(1);
  std::vector<EntryPtr> entries;
  {
    std::lock_guard lock(mutex_);
    entries = entries_;
  }
  metrics.gauge("deltaforge_pipelines_total", {}).set(static_cast<double>(entries.size()));
  for (const EntryPtr& entry : entries) {
    const Document& document = entry->document;
    PipelineInfo info = describe(*entry);
    const obs::Labels labels{{"pipeline", document.name}};
    metrics.gauge("deltaforge_pipeline_status", labels).set(status_number(info.state.status));
    metrics.gauge("deltaforge_pipeline_degraded", labels).set(info.state.status == Status::degraded ? 1 : 0);
    metrics.gauge(kInfo, info_labels(document)).set(1);
  }
}

}  // namespace deltaforge::server
