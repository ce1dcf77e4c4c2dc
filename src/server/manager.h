// Owns every pipeline of the process, and changes them one call at a time each. Documents that could not be loaded are
// kept beside them, as `failed`, so that one bad document is seen and never stops the others. All methods may be called
// from any thread.
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
#include "server/spec_store.h"

namespace deltaforge::server {

// A pipeline as the manager drives it. Tests give a fake one.
class Runnable {
 public:
  virtual ~Runnable() = default;
  virtual void start(bool on_trial) = 0;  // see pipeline/pipeline.h
  virtual void end_trial() = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
  virtual bool stop(std::chrono::milliseconds deadline) = 0;
  virtual pipeline::PipelineStatus status() const = 0;
  // While stopped. Positions are forgotten: the next start is a first one. Throws Error.
  virtual void reset() = 0;
  // While stopped, for good: see pipeline/retire.h. Both throw Error.
  virtual void retire() = 0;
  virtual void forget_sinks(const std::vector<std::string>& ids) = 0;
  virtual void forget_strangers() = 0;  // sinks that it once had
  // Dead letters; see pipeline/pipeline.h.
  virtual pipeline::Journal* journal() = 0;
  virtual std::optional<std::vector<pipeline::Retried>> retry(const pipeline::RetryRequest&) = 0;
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

enum class Change { done, unknown_pipeline, exists, invalid, refused };
struct Outcome {
  Change change = Change::done;
  std::optional<pipeline::ErrorInfo> error = {};  // unless done
  config::Report problems = {};                   // of an invalid document
};

class Manager {
 public:
  // `specs` keeps what is made through create(); it must outlive the manager.
  Manager(Launch launch, SpecStore& specs);
  ~Manager();  // stops without a drain
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  // From here on each is seen, and its name is taken. A document whose name is taken already is left out, loudly.
  void announce(std::vector<Document> documents);
  // Starts each valid one. A source id that is taken makes the later one `failed`.
  void start();
  void add(std::vector<Document> documents) {
    announce(std::move(documents));
    start();
  }

  std::vector<PipelineInfo> list() const;
  std::optional<PipelineInfo> find(const std::string& name) const;
  // Null when there is none, or when its document cannot be loaded.
  std::shared_ptr<Runnable> runnable(const std::string& name) const;
  // The same once no change of it is under way; none begins before this thread lets go of it.
  std::shared_ptr<Runnable> settled(const std::string& name) const;

  // `refused`: the pipeline cannot run, see its error.
  Change pause(const std::string& name);
  Change resume(const std::string& name);
  Change stop(const std::string& name, std::chrono::milliseconds deadline);

  // Keeps the document, then starts it. Nothing is left of one that could not be started.
  Outcome create(Document document);
  // `edit` makes the new document of the present one. It replaces it once it runs with all its required sinks: when it
  // does not come to that within some seconds where the present one did, that goes on as if nothing had happened, and
  // the change is `refused`. A paused pipeline is paused afterwards.
  using Edit = std::function<Document(const Document&)>;
  Outcome patch(const std::string& name, const Edit& edit);
  // Stops it and removes it with its positions and what it made on its server, or with `keep_state` without. What
  // another pipeline with the same source id uses stays.
  Outcome remove(const std::string& name, bool keep_state);
  // Forgets the positions of a pipeline that is stopped.
  Outcome reset(const std::string& name);

  // Drains all pipelines side by side. False: at least one did not finish in time.
  bool drain(std::chrono::milliseconds deadline);

  // Sets the gauges that describe pipelines, before a scrape.
  void publish_metrics() const;

 private:
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;

  EntryPtr find_entry(const std::string& name) const;  // mutex_ is held
  EntryPtr entry(const std::string& name) const;
  // An entry that the caller may change until it lets go.
  struct Held {
    EntryPtr entry;  // null: there is none; outlives the lock of its mutex
    std::unique_lock<std::mutex> lock;
  };
  Held take(const std::string& name) const;
  std::shared_ptr<Runnable> runnable(const Entry& entry) const;
  PipelineInfo describe(const Entry& entry) const;
  // For the first time or again; entry.changing is held.
  enum class Occasion { start_of_process, trial, other };
  void start(Entry& entry, Occasion = Occasion::other);
  bool claim_source(Entry& entry);
  void release_source(const Entry& entry);
  // What is kept under the id of its source is this pipeline's alone, and stays so until release_source().
  bool owns_state(const Entry& entry);
  void hand_source_over(const Entry& from, const Entry& to);
  // A deletion that a kill cut short; true: the entry is gone. entry->changing is held.
  bool finish_removal(const EntryPtr& entry);
  void give_up_removal(const std::string& name);
  void end_strangers_removals();
  void could_not_start(Entry& entry, pipeline::ErrorInfo why);
  void roll_back(Entry& old, Entry& fresh, pipeline::Status before);
  std::optional<pipeline::ErrorInfo> try_out(Entry& fresh, bool must_run);
  std::optional<pipeline::ErrorInfo> keep_spec(const Document& document);
  void replace(const EntryPtr& old, EntryPtr by);
  template <class Act>
  Change change(const std::string& name, Act&& act);

  const Launch launch_;
  SpecStore& specs_;
  std::atomic<bool> draining_{false};
  mutable std::mutex mutex_;  // guards the maps; never held while a pipeline is called
  std::vector<EntryPtr> entries_;
  std::map<std::string, const Entry*> sources_;  // source id -> the live pipeline that reads it
};

}  // namespace deltaforge::server
