#include "server/manager.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <thread>
#include <utility>

#include "base/error.h"
#include "obs/log.h"
#include "obs/metrics.h"

namespace deltaforge::server {

using pipeline::ErrorInfo;
using pipeline::PipelineStatus;
using pipeline::Status;

namespace {

class RealPipeline final : public Runnable {
 public:
  RealPipeline(pipeline::PipelineSpec spec, Store& store) : pipeline_(std::move(spec), store) {}
  void start() override { pipeline_.start(); }
  void pause() override { pipeline_.pause(); }
  void resume() override { pipeline_.resume(); }
  bool stop(std::chrono::milliseconds deadline) override { return pipeline_.stop(deadline); }
  PipelineStatus status() const override { return pipeline_.status(); }

 private:
  pipeline::Pipeline pipeline_;
};

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
  std::mutex changing;  // held while the state is changed: pause, resume, stop, start

  // Guarded by the manager's mutex.
  std::shared_ptr<Runnable> runnable;  // null until the document could be launched
  std::optional<ErrorInfo> error;      // why the manager did not start it
};

Manager::Manager(Launch launch) : launch_(std::move(launch)) {}
Manager::~Manager() = default;

void Manager::add(std::vector<Document> documents) {
  for (Document& document : documents) {
    auto entry = std::make_shared<Entry>(std::move(document));
    {
      std::lock_guard lock(mutex_);
      entries_.push_back(entry);
      if (!entry->document.spec) entry->error = entry->document.error();
    }
    std::lock_guard changing(entry->changing);
    if (entry->document.spec) start(*entry);
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
    entry.error = ErrorInfo{std::string(to_string(error.kind())), error.message(), error.hint()};
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

Manager::EntryPtr Manager::entry(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find_if(entries_, [&](const EntryPtr& e) { return e->document.name == name; });
  return found == entries_.end() ? nullptr : *found;
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
  EntryPtr found = entry(name);
  if (!found) return Change::unknown_pipeline;
  std::lock_guard changing(found->changing);
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
    std::lock_guard lock(mutex_);
    const std::string& id = entry.document.spec->source.id;
    if (auto claim = sources_.find(id); claim != sources_.end() && claim->second == &entry) sources_.erase(claim);
  });
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
