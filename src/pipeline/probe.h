// Probes: what happened, in the words of the pipeline; each call bumps the metrics that tell of it. Handles are
// resolved at construction. Per batch, never per event.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "obs/metrics.h"

namespace deltaforge::pipeline {

class LaneProbe {
 public:
  LaneProbe(const std::string& pipeline, const std::string& sink, bool required);
  void delivered(std::uint64_t events, double seconds, double end_to_end_seconds);
  void bytes(std::uint64_t count) { bytes_.add(static_cast<double>(count)); }
  void failed() { errors_.add(); }
  void reconnected() { reconnects_.add(); }
  void rejected(std::uint64_t events) { rejects_.add(static_cast<double>(events)); }
  void behind(bool value) { status_.set(value ? 0 : 1); }

 private:
  obs::Counter events_, batches_, errors_, reconnects_, bytes_, rejects_;
  obs::Histogram latency_, end_to_end_;
  obs::Gauge status_;
};

class BatchProbe {
 public:
  BatchProbe(const std::string& pipeline, const std::string& source);
  void frozen(std::uint64_t events, std::uint64_t bytes, double process_seconds);
  // Events of one table in one batch; the series are found by the schema's id.
  void table_events(std::uint64_t schema_id, const std::string& table, std::uint64_t events);
  void queue_depth(std::size_t batches) { depth_.set(static_cast<double>(batches)); }

 private:
  std::string pipeline_, source_;
  obs::Histogram batch_events_, batch_bytes_, process_;
  obs::Counter bytes_, source_bytes_;
  obs::Gauge depth_;
  std::map<std::uint64_t, obs::Counter> tables_;
};

class CheckpointProbe {
 public:
  explicit CheckpointProbe(const std::string& pipeline);
  void stored(double wall_seconds, double took_seconds);

 private:
  obs::Counter checkpoints_;
  obs::Gauge last_;
  obs::Histogram commit_;
};

class SourceProbe {
 public:
  SourceProbe(const std::string& pipeline, const std::string& source);
  void reconnected() { reconnects_.add(); }
  void failed(const std::string& kind);
  void lag(double seconds) { lag_.set(seconds); }
  void idle(double seconds) { idle_.set(seconds); }
  void log_lag(double bytes) { log_lag_.set(bytes); }
  void memory(double bytes, double spilled) {
    memory_.set(bytes);
    spilled_.set(spilled);
  }

 private:
  std::string pipeline_, source_;
  obs::Counter reconnects_;
  obs::Gauge lag_, idle_, log_lag_, memory_, spilled_;
};

}  // namespace deltaforge::pipeline
