// Probes: what happened, in the words of the pipeline; each call bumps the metrics that tell of it. Handles are
// resolved at construction, or where a label's value is first seen. Per batch, never per event.
// A probe belongs to the thread of its part, unless a call says "any thread".
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "core/batch.h"
#include "obs/metrics.h"

namespace deltaforge::pipeline {

// The time that batches spend in one stage, by what had them cut.
class StageProbe {
 public:
  StageProbe(std::string pipeline, std::string stage) : pipeline_(std::move(pipeline)), stage_(std::move(stage)) {}
  void observe(Cut, double seconds);

 private:
  struct Series {
    obs::Histogram histogram;
    bool known = false;
  };
  std::string pipeline_, stage_;
  std::array<Series, 5> by_cut_;
};

class LaneProbe {
 public:
  LaneProbe(const std::string& pipeline, const std::string& sink, bool required);
  void sent(std::uint64_t events) { events_.add(static_cast<double>(events)); }
  // A batch that was sent: how long it was at the sink, and how long it took from the queue on.
  void delivered(Cut, double seconds_at_sink, double seconds);
  // This was the last of the sinks that count.
  void delivered_to_all(double seconds_since_received) { end_to_end_.observe(seconds_since_received); }
  void bytes(std::uint64_t count) { bytes_.add(static_cast<double>(count)); }
  void failed() { errors_.add(); }
  void reconnected() { reconnects_.add(); }
  void timed_out() { timeouts_.add(); }
  void rejected(const std::string& kind);
  void behind(bool value) { status_.set(value ? 0 : 1); }

 private:
  std::string pipeline_, sink_;
  obs::Counter events_, batches_, errors_, reconnects_, bytes_, rejects_, timeouts_;
  obs::Histogram latency_, end_to_end_;
  obs::Gauge status_;
  StageProbe stage_;
};

// Whether a sink is attached, and what is held for it.
class HoldProbe {
 public:
  HoldProbe() = default;
  HoldProbe(const std::string& pipeline, const std::string& sink);
  void held(double seconds, double bytes);  // it is detached
  void lost();

 private:
  obs::Gauge state_, seconds_, bytes_;
};

class ProcessorProbe {
 public:
  ProcessorProbe(const std::string& pipeline, const std::string& processor);
  // One batch; `in` and `out` count events that are not dropped.
  void processed(std::uint64_t in, std::uint64_t out, double seconds);
  void failed() { errors_.add(); }

 private:
  obs::Histogram latency_;
  obs::Counter in_, out_, errors_;
};

class BatchProbe {
 public:
  BatchProbe(const std::string& pipeline, const std::string& source);
  void frozen(std::uint64_t events, std::uint64_t bytes, Cut, double process_seconds);
  // Events of one table in one batch, the newest of them `age_seconds` old; the series are found by the schema's id.
  void table_events(std::uint64_t schema_id, const std::string& table, std::uint64_t events, double age_seconds);
  void queue_depth(std::size_t batches) { depth_.set(static_cast<double>(batches)); }
  // Nothing is under way: no table lags. Any thread.
  void caught_up();

 private:
  struct Table {
    obs::Counter events;
    obs::Gauge lag;
  };
  std::string pipeline_, source_;
  obs::Histogram batch_events_, batch_bytes_;
  StageProbe process_;
  obs::Counter bytes_;
  obs::Gauge depth_;
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();  // guards what follows
  std::map<std::uint64_t, Table> tables_;
};

class CheckpointProbe {
 public:
  explicit CheckpointProbe(const std::string& pipeline);
  void stored(double wall_seconds, double took_seconds);
  // When the stored position of a sink last moved. Any thread.
  void sink_stored(const std::string& sink, double wall_seconds) const;

 private:
  std::string pipeline_;
  obs::Counter checkpoints_;
  obs::Gauge last_;
  StageProbe commit_;
};

// Dead letters. Any thread.
class JournalProbe {
 public:
  explicit JournalProbe(const std::string& pipeline);
  void kept(const std::string& stage, const std::string& kind) const;
  void evicted(std::uint64_t entries) { evicted_.add(static_cast<double>(entries)); }
  void rejected() { rejected_.add(); }
  void write_failed() { failures_.add(); }
  void size(std::size_t entries, double ratio, std::uint64_t lost);

 private:
  std::string pipeline_;
  obs::Counter evicted_, rejected_, failures_;
  obs::Gauge entries_, ratio_, lost_;
};

// What operators do to a pipeline.
class LifeProbe {
 public:
  explicit LifeProbe(const std::string& pipeline);
  void paused() { pauses_.add(); }
  // The first time is its start, every other one a resumption.
  void begun() {
    if (std::exchange(started_, true)) resumes_.add();
  }

 private:
  obs::Counter pauses_, resumes_;
  bool started_ = false;
};

// Any thread, one at a time.
class SourceProbe {
 public:
  SourceProbe(const std::string& pipeline, const std::string& source);
  void reconnected() { reconnects_.add(); }
  void failed(const std::string& kind);
  void lag(double seconds) { lag_.set(seconds); }
  void idle(double seconds) { idle_.set(seconds); }
  void log_lag(double bytes);
  // Both count on from what they were told before.
  void received(std::uint64_t bytes);
  void schemas(std::uint64_t known, std::uint64_t learnt);
  void memory(double bytes, double spilled) {
    memory_.set(bytes);
    spilled_.set(spilled);
  }

 private:
  std::string pipeline_, source_;
  obs::Counter reconnects_, bytes_, known_, learnt_;
  obs::Gauge lag_, idle_, memory_, spilled_;
  std::uint64_t told_bytes_ = 0, told_known_ = 0, told_learnt_ = 0;
};

}  // namespace deltaforge::pipeline
