#include "server/manager.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <thread>
#include <utility>

#include "base/error.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "pipeline/retire.h"
#include "pipeline/start_positions.h"

namespace deltaforge::server {

using pipeline::ErrorInfo;
using pipeline::PipelineStatus;
using pipeline::Status;

namespace {

class RealPipeline final : public Runnable {
 public:
  RealPipeline(pipeline::PipelineSpec spec, Store& store) : store_(store), pipeline_(std::move(spec), store) {}
  void start() override { pipeline_.start(); }
  void pause() override { pipeline_.pause(); }
  void resume() override { pipeline_.resume(); }
  bool stop(std::chrono::milliseconds deadline) override { return pipeline_.stop(deadline); }
  PipelineStatus status() const override { return pipeline_.status(); }
  void reset() override { pipeline::apply_reset(store_, pipeline_.spec().source.id); }
  void retire() override { pipeline::retire(pipeline_.spec(), store_); }

 private:
  Store& store_;
  pipeline::Pipeline pipeline_;
};

constexpr std::chrono::seconds kDrain{25};     // of a pipeline that is changed or deleted
constexpr std::chrono::seconds kFirstLook{5};  // a caller likes to see what became of it
constexpr std::chrono::seconds kTrial{10};     // for a changed pipeline to come to run
const ErrorInfo kDraining{"unavailable", "the process is shutting down", "ask the next one"};

ErrorInfo info_of(const Error& error) { return {std::string(to_string(error.kind())), error.message(), error.hint()}; }
Outcome refused(ErrorInfo why) { return {Change::refused, std::move(why)}; }

// The first status that is more than a beginning, or the last one when there is none in time.
PipelineStatus settle(const Runnable& pipeline, std::chrono::seconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  for (;;) {
    PipelineStatus status = pipeline.status();
    if (status.status != Status::starting || std::chrono::steady_clock::now() >= until) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
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

}  // namespace

Launch launch_on(Store& store, const std::string& directory) {
  return [&store, directory](pipeline::PipelineSpec spec) {
    spec.spill_directory = directory;
    return std::make_unique<RealPipeline>(std::move(spec), store);
  };
}

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
  for (const EntryPtr& entry : entries) {
    std::lock_guard changing(entry->changing);
    if (entry->document.spec && !entry->gone) start(*entry);
  }
}

void Manager::start(Entry& entry) {
  if (!claim_source(entry)) return;
  try {
    std::shared_ptr<Runnable> runnable = this->runnable(entry);
    if (runnable) return runnable->resume();
    runnable = launch_(*entry.document.spec);
    runnable->start();
    std::lock_guard lock(mutex_);
    entry.runnable = std::move(runnable);
    entry.error.reset();
  } catch (const Error& error) {
    obs::error("pipeline could not be started",
               {{"pipeline", entry.document.name}, {"error", std::string_view(error.what())}});
    std::lock_guard lock(mutex_);
    entry.error = info_of(error);
    sources_.erase(entry.document.spec->source.id);
  }
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

Manager::EntryPtr Manager::take(const std::string& name, std::unique_lock<std::mutex>& lock) const {
  for (;;) {
    EntryPtr found = entry(name);
    if (!found) return nullptr;
    std::unique_lock held(found->changing);
    if (found->gone) continue;  // replaced while we waited
    lock = std::move(held);
    return found;
  }
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
  std::unique_lock<std::mutex> changing;
  EntryPtr found = take(name, changing);
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
    release_source(entry);
  });
}

void Manager::release_source(const Entry& entry) {
  std::lock_guard lock(mutex_);
  std::erase_if(sources_, [&](const auto& claim) { return claim.second == &entry; });
}

Outcome Manager::create(Document document) {
  document.from_api = true;
  auto entry = std::make_shared<Entry>(std::move(document));
  std::lock_guard changing(entry->changing);
  {
    std::lock_guard lock(mutex_);
    if (draining_) return refused(kDraining);
    if (find_entry(entry->document.name)) return {Change::exists};
    entries_.push_back(entry);
  }
  const std::string& name = entry->document.name;
  try {
    specs_.keep(name, entry->document.root);
    start(*entry);
  } catch (const Error& error) {
    std::lock_guard lock(mutex_);
    entry->error = info_of(error);
  }
  std::optional<ErrorInfo> error;
  {
    std::lock_guard lock(mutex_);
    error = entry->error;
  }
  if (error) {
    specs_.forget(name);
    replace(entry, nullptr);
    return refused(*error);
  }
  settle(*runnable(*entry), kFirstLook);
  obs::info("pipeline made through the API", {{"pipeline", name}});
  return {};
}

Outcome Manager::patch(const std::string& name, const Edit& edit) {
  std::unique_lock<std::mutex> changing;
  EntryPtr old = take(name, changing);
  if (!old) return {Change::unknown_pipeline};
  if (draining_) return refused(kDraining);
  Document changed = edit(old->document);
  if (!changed.spec) return {Change::invalid, changed.error(), changed.problems};
  changed.from_api = old->document.from_api;

  auto fresh = std::make_shared<Entry>(std::move(changed));
  std::lock_guard changing_fresh(fresh->changing);
  std::shared_ptr<Runnable> was = runnable(*old);
  const Status before = was ? was->status().status : Status::failed;
  const bool was_fine = before == Status::running || before == Status::paused;
  if (was) was->stop(kDrain);
  release_source(*old);
  std::optional<ErrorInfo> error = try_out(*fresh, was_fine);
  if (!error && fresh->document.from_api) error = keep_spec(fresh->document);
  if (!error) {
    replace(old, fresh);
    if (!fresh->document.from_api)
      obs::warn("the pipeline is changed until the next start: its file stays as it is",
                {{"pipeline", name}, {"file", fresh->document.file}});
    return {};
  }
  if (auto failed = runnable(*fresh)) failed->stop({});
  release_source(*fresh);
  if (was && before != Status::stopped) {
    start(*old);
    if (before == Status::paused) was->pause();
  }
  return refused(*error);
}

// Starts it. What is wrong with it, if it does not come to run though it should.
std::optional<ErrorInfo> Manager::try_out(Entry& fresh, bool must_run) {
  start(fresh);
  {
    std::lock_guard lock(mutex_);
    if (fresh.error) return fresh.error;
  }
  const PipelineStatus status = settle(*runnable(fresh), must_run ? kTrial : kFirstLook);
  if (!must_run || status.status == Status::running) return std::nullopt;
  if (status.error) return status.error;
  return ErrorInfo{"unavailable", "the changed pipeline did not come to run within 10 s", "look into the log"};
}

Outcome Manager::remove(const std::string& name, bool keep_state) {
  std::unique_lock<std::mutex> changing;
  EntryPtr found = take(name, changing);
  if (!found) return {Change::unknown_pipeline};
  if (draining_) return refused(kDraining);
  try {
    std::shared_ptr<Runnable> pipeline = runnable(*found);
    if (pipeline) pipeline->stop(kDrain);
    release_source(*found);
    if (!pipeline && found->document.spec) pipeline = launch_(*found->document.spec);
    if (pipeline && !keep_state) pipeline->retire();
    if (found->document.from_api) specs_.forget(name);
  } catch (const Error& error) {
    return refused(info_of(error));
  }
  replace(found, nullptr);
  obs::Metrics::instance().forget("pipeline", name);
  if (!found->document.from_api)
    obs::warn("pipeline deleted until the next start: its file is still there",
              {{"pipeline", name}, {"file", found->document.file}});
  return {};
}

Outcome Manager::reset(const std::string& name) {
  std::unique_lock<std::mutex> changing;
  EntryPtr found = take(name, changing);
  if (!found) return {Change::unknown_pipeline};
  std::shared_ptr<Runnable> pipeline = runnable(*found);
  if (!pipeline || pipeline->status().status != Status::stopped)
    return refused({"PIPELINE_RUNNING", "pipeline '" + name + "' is not stopped: its positions are in use",
                    "POST /pipelines/" + name + "/stop first"});
  try {
    pipeline->reset();
  } catch (const Error& error) {
    return refused(info_of(error));
  }
  return {};
}

std::optional<ErrorInfo> Manager::keep_spec(const Document& document) try {
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
      std::lock_guard changing(entry->changing);  // a resume that is under way ends first
      auto pipeline = runnable(*entry);
      if (pipeline && !pipeline->stop(deadline)) all_in_time = false;
    });
  }
  threads.clear();  // joins
  return all_in_time;
}

void Manager::publish_metrics() const {
  auto& metrics = obs::Metrics::instance();
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
    obs::Labels labels{{"pipeline", document.name}};
    metrics.gauge("deltaforge_pipeline_status", labels).set(status_number(info.state.status));
    metrics.gauge("deltaforge_pipeline_degraded", labels).set(info.state.status == Status::degraded ? 1 : 0);
    for (const auto& [name, value] : document.labels) labels[metric_label(name)] = value;
    labels["tenant"] = document.spec ? document.spec->tenant : "";
    metrics.gauge("deltaforge_pipeline_info", labels).set(1);
  }
}

}  // namespace deltaforge::server
