// One pipeline: a source, its processors, its sinks, and the threads between them. Owned by the server's pipeline
// manager. Every method may be called from any thread; calls that change the state are serialised.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/component.h"
#include "core/store.h"
#include "pipeline/journal.h"
#include "pipeline/options.h"
#include "pipeline/retry.h"

namespace deltaforge::pipeline {

enum class Status { starting, running, degraded, paused, stopped, failed };
std::string_view to_string(Status);

struct ErrorInfo {
  std::string kind, message, hint;
};
ErrorInfo info_of(const Error&);

struct SinkStatus {
  std::string id;
  std::string type;
  bool required = true;
  std::string state;                  // "attached", "detached", "lost"
  std::optional<std::string> error;   // why it is not taking batches just now
  std::string position;               // short form as JSON, or "" when it has none yet
  std::optional<double> age_seconds;  // since its checkpoint last moved
  bool behind = false;                // it has something to deliver that is older than the open batch
  bool opened = false;                // it has answered in this run
};

struct JournalStatus {
  std::uint64_t entries = 0, parked = 0;
  std::uint64_t lost = 0;  // thrown away since entries were last acknowledged
};

struct PipelineStatus {
  Status status = Status::stopped;
  std::optional<ErrorInfo> error;     // of `failed` and `degraded`
  bool processing = false;            // the source is connected and positions can be stored, whatever the sinks do
  std::vector<std::string> warnings;  // conditions that do not stop it ("publication lacks ...")
  std::vector<SinkStatus> sinks;
  std::optional<JournalStatus> journal;  // nothing: there is none, or the store does not answer
  double uptime_seconds = 0;
  std::optional<double> lag_seconds;  // age of the oldest commit that an attached sink does not have yet
};

struct PipelineSpec {
  std::string name, tenant;
  SourceMaker source;
  std::vector<ProcessorMaker> processors;
  std::vector<SinkMaker> sinks;
  BatchOptions batch;
  CommitPolicy commit_policy;
  std::optional<std::chrono::seconds> sink_batch_deadline;  // of any sink, for one batch
  JournalOptions journal;
  std::function<std::unique_ptr<Encoder>()> journal_encoder;  // how its entries are shown
  std::string spill_directory;  // for transactions beyond batch.memory_bytes; empty: they stay in memory
};

class Pipeline {
 public:
  Pipeline(PipelineSpec, Store&);
  ~Pipeline();  // stops without a drain

  // `on_trial`: it may yet be given up for the one that ran before it. Until end_trial() the source keeps its log.
  void start(bool on_trial = false);
  void end_trial();
  // Keeps the connection to the source, reads nothing. Idempotent.
  void pause();
  // From paused: goes on. From stopped or failed: starts again from the checkpoint. Idempotent.
  void resume();
  // Drains what has been read, stores positions, disconnects. False: the deadline passed with something undelivered
  // (nothing is lost: it will be read again).
  bool stop(std::chrono::milliseconds deadline);

  PipelineStatus status() const;
  const PipelineSpec& spec() const;
  // Null when there is none.
  Journal* journal() const;
  // See retry.h. Nothing: it is not running. Throws Error{storage}.
  std::optional<std::vector<Retried>> retry(const RetryRequest&);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace deltaforge::pipeline
