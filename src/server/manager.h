// Owns every pipeline of the process. Documents that could not be loaded are kept beside them, as `failed`, so that
// one bad document is seen and never stops the others. All methods may be called from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/store.h"
#include "pipeline/pipeline.h"
#include "server/document.h"

namespace deltaforge::server {

// A pipeline as the manager drives it. Tests give a fake one.
class Runnable {
 public:
  virtual ~Runnable() = default;
  virtual void start() = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
  virtual bool stop(std::chrono::milliseconds deadline) = 0;
  virtual pipeline::PipelineStatus status() const = 0;
};
using Launch = std::function<std::unique_ptr<Runnable>(pipeline::PipelineSpec)>;
// Real pipelines. `store` must outlive the manager; what they spill to disk goes below `directory`, if there is one.
Launch launch_on(Store& store, const std::string& directory = {});

// What the API shows of a pipeline.
struct PipelineInfo {
  std::string name;
  std::map<std::string, std::string> labels;
  std::string spec;  // the document as JSON, defaults filled in, secrets masked; "null" when it could not be loaded
  pipeline::PipelineStatus state;
};

enum class Change { done, unknown_pipeline, refused };

class Manager {
 public:
  explicit Manager(Launch launch);
  ~Manager();  // stops without a drain
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  // Starts each valid document; a name or a source id that is taken makes the later one `failed`.
  void add(std::vector<Document> documents);

  std::vector<PipelineInfo> list() const;
  std::optional<PipelineInfo> find(const std::string& name) const;

  // `refused`: the pipeline cannot run, see its error.
  Change pause(const std::string& name);
  Change resume(const std::string& name);
  Change stop(const std::string& name, std::chrono::milliseconds deadline);

  // Drains all pipelines side by side. False: at least one did not finish in time.
  bool drain(std::chrono::milliseconds deadline);

  // Sets the gauges that describe pipelines, before a scrape.
  void publish_metrics() const;

 private:
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;

  EntryPtr entry(const std::string& name) const;
  std::shared_ptr<Runnable> runnable(const Entry& entry) const;
  PipelineInfo describe(const Entry& entry) const;
  // For the first time or again; entry.changing is held.
  void start(Entry& entry);
  bool claim_source(Entry& entry);
  template <class Act>
  Change change(const std::string& name, Act&& act);

  const Launch launch_;
  std::atomic<bool> draining_{false};
  mutable std::mutex mutex_;  // guards the maps; never held while a pipeline is called
  std::vector<EntryPtr> entries_;
  std::map<std::string, const Entry*> sources_;  // source id -> the live pipeline that reads it
};

}  // namespace deltaforge::server
