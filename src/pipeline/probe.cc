#include "pipeline/probe.h"

#include <utility>

namespace deltaforge::pipeline {
namespace {
obs::Metrics& metrics() { return obs::Metrics::instance(); }

// `told` moves to `now`.
void add_new(obs::Counter& counter, std::uint64_t& told, std::uint64_t now) {
  counter.add(static_cast<double>(now - told));
  told = now;
}

std::string trigger(Cut cut) {
  switch (cut) {
    case Cut::limits: return "limits";
    case Cut::timer: return "timer";
    case Cut::drained: return "drained";
    case Cut::cancelled: return "cancelled";
    case Cut::shutdown: return "shutdown";
  }
  return "";
}
}  // namespace

void StageProbe::observe(Cut cut, double seconds) {
  Series& series = by_cut_.at(static_cast<std::size_t>(cut));
  if (!std::exchange(series.known, true))
    series.histogram = metrics().histogram("deltaforge_stage_latency_seconds",
                                           {{"pipeline", pipeline_}, {"stage", stage_}, {"trigger", trigger(cut)}});
  series.histogram.observe(seconds);
}

LaneProbe::LaneProbe(const std::string& pipeline, const std::string& sink, bool required)
    : pipeline_(pipeline), sink_(sink), stage_(pipeline, "sink") {
  obs::Labels labels{{"pipeline", pipeline}, {"sink", sink}};
  events_ = metrics().counter("deltaforge_sink_events_total", labels);
  batches_ = metrics().counter("deltaforge_sink_batch_total", labels);
  errors_ = metrics().counter("deltaforge_sink_errors_total", labels);
  reconnects_ = metrics().counter("deltaforge_sink_reconnects_total", labels);
  bytes_ = metrics().counter("deltaforge_sink_bytes_total", labels);
  rejects_ = metrics().counter("deltaforge_sink_rejected_events_total", labels);
  timeouts_ = metrics().counter("deltaforge_coordinator_sink_timeout_total", labels);
  latency_ = metrics().histogram("deltaforge_sink_latency_seconds", labels);
  end_to_end_ = metrics().histogram("deltaforge_e2e_latency_seconds", {{"pipeline", pipeline}});
  labels["required"] = required ? "true" : "false";
  status_ = metrics().gauge("deltaforge_sink_checkpoint_status", labels);
  status_.set(1);
}

void LaneProbe::delivered(Cut cut, double seconds_at_sink, double seconds) {
  batches_.add();
  latency_.observe(seconds_at_sink);
  stage_.observe(cut, seconds);
}

void LaneProbe::rejected(const std::string& kind) {
  rejects_.add();
  metrics()
      .counter("deltaforge_sink_routing_errors_total", {{"pipeline", pipeline_}, {"sink", sink_}, {"kind", kind}})
      .add();
}

HoldProbe::HoldProbe(const std::string& pipeline, const std::string& sink) {
  const obs::Labels labels{{"pipeline", pipeline}, {"sink", sink}};
  state_ = metrics().gauge("deltaforge_sink_attached", labels);
  seconds_ = metrics().gauge("deltaforge_sink_held_seconds", labels);
  bytes_ = metrics().gauge("deltaforge_sink_held_bytes", labels);
  held(0, 0);
  state_.set(1);
}

void HoldProbe::held(double seconds, double bytes) {
  state_.set(0);
  seconds_.set(seconds);
  bytes_.set(bytes);
}

void HoldProbe::lost() {
  held(0, 0);
  state_.set(-1);
}

ProcessorProbe::ProcessorProbe(const std::string& pipeline, const std::string& processor) {
  const obs::Labels labels{{"pipeline", pipeline}, {"processor", processor}};
  latency_ = metrics().histogram("deltaforge_processor_latency_seconds", labels);
  in_ = metrics().counter("deltaforge_processor_events_in_total", labels);
  out_ = metrics().counter("deltaforge_processor_events_out_total", labels);
  errors_ = metrics().counter("deltaforge_processor_errors_total", labels);
}

void ProcessorProbe::processed(std::uint64_t in, std::uint64_t out, double seconds) {
  latency_.observe(seconds);
  in_.add(static_cast<double>(in));
  out_.add(static_cast<double>(out));
}

BatchProbe::BatchProbe(const std::string& pipeline, const std::string& source)
    : pipeline_(pipeline), source_(source), process_(pipeline, "process") {
  obs::Labels labels{{"pipeline", pipeline}};
  batch_events_ = metrics().histogram("deltaforge_batch_events", labels);
  batch_bytes_ = metrics().histogram("deltaforge_batch_bytes", labels);
  bytes_ = metrics().counter("deltaforge_bytes_total", labels);
  depth_ = metrics().gauge("deltaforge_pipeline_channel_depth", labels);
}

void BatchProbe::frozen(std::uint64_t events, std::uint64_t bytes, Cut cut, double process_seconds) {
  batch_events_.observe(static_cast<double>(events));
  batch_bytes_.observe(static_cast<double>(bytes));
  bytes_.add(static_cast<double>(bytes));
  process_.observe(cut, process_seconds);
}

void BatchProbe::table_events(std::uint64_t schema_id, const std::string& table, std::uint64_t events,
                              double age_seconds) {
  std::lock_guard lock(*mutex_);
  auto found = tables_.find(schema_id);
  if (found == tables_.end()) {
    const obs::Labels labels{{"pipeline", pipeline_}, {"table", table}};
    obs::Labels with_source = labels;
    with_source["source"] = source_;
    found = tables_
                .emplace(schema_id, Table{metrics().counter("deltaforge_source_events_total", with_source),
                                          metrics().gauge("deltaforge_source_table_lag_seconds", labels)})
                .first;
  }
  found->second.events.add(static_cast<double>(events));
  found->second.lag.set(age_seconds);
}

void BatchProbe::caught_up() {
  std::lock_guard lock(*mutex_);
  for (auto& [id, table] : tables_) table.lag.set(0);
}

CheckpointProbe::CheckpointProbe(const std::string& pipeline) : pipeline_(pipeline), commit_(pipeline, "commit") {
  checkpoints_ = metrics().counter("deltaforge_checkpoints_total", {{"pipeline", pipeline}});
  last_ = metrics().gauge("deltaforge_last_checkpoint_ts", {{"pipeline", pipeline}});
}

void CheckpointProbe::stored(double wall_seconds, double took_seconds) {
  checkpoints_.add();
  last_.set(wall_seconds);
  commit_.observe(Cut::limits, took_seconds);
}

void CheckpointProbe::sink_stored(const std::string& sink, double wall_seconds) const {
  metrics().gauge("deltaforge_sink_last_checkpoint_ts", {{"pipeline", pipeline_}, {"sink", sink}}).set(wall_seconds);
}

JournalProbe::JournalProbe(const std::string& pipeline) : pipeline_(pipeline) {
  const obs::Labels labels{{"pipeline", pipeline}};
  evicted_ = metrics().counter("deltaforge_dlq_evicted_total", labels);
  rejected_ = metrics().counter("deltaforge_dlq_rejected_total", labels);
  failures_ = metrics().counter("deltaforge_dlq_write_failures_total", labels);
  entries_ = metrics().gauge("deltaforge_dlq_entries", labels);
  ratio_ = metrics().gauge("deltaforge_dlq_saturation_ratio", labels);
  lost_ = metrics().gauge("deltaforge_dlq_data_loss", labels);
}

void JournalProbe::kept(const std::string& stage, const std::string& kind) const {
  metrics()
      .counter("deltaforge_dlq_events_total", {{"pipeline", pipeline_}, {"sink", stage}, {"error_kind", kind}})
      .add();
}

void JournalProbe::size(std::size_t entries, double ratio, std::uint64_t lost) {
  entries_.set(static_cast<double>(entries));
  ratio_.set(ratio);
  lost_.set(static_cast<double>(lost));
}

LifeProbe::LifeProbe(const std::string& pipeline) {
  pauses_ = metrics().counter("deltaforge_pipeline_pauses_total", {{"pipeline", pipeline}});
  resumes_ = metrics().counter("deltaforge_pipeline_resumes_total", {{"pipeline", pipeline}});
}

SourceProbe::SourceProbe(const std::string& pipeline, const std::string& source)
    : pipeline_(pipeline), source_(source) {
  reconnects_ = metrics().counter("deltaforge_source_reconnects_total", {{"pipeline", pipeline}, {"source", source}});
  lag_ = metrics().gauge("deltaforge_source_lag_seconds", {{"pipeline", pipeline}});
  const obs::Labels labels{{"pipeline", pipeline}, {"source", source}};
  bytes_ = metrics().counter("deltaforge_source_bytes_total", labels);
  known_ = metrics().counter("deltaforge_source_schema_cache_hits_total", labels);
  learnt_ = metrics().counter("deltaforge_source_schema_cache_misses_total", labels);
  memory_ = metrics().gauge("deltaforge_pipeline_memory_bytes", {{"pipeline", pipeline}});
  spilled_ = metrics().gauge("deltaforge_pipeline_spilled_bytes", {{"pipeline", pipeline}});
  idle_ = metrics().gauge("deltaforge_source_idle_seconds", {{"pipeline", pipeline}, {"source", source}});
}

// The series appears when the server has told it.
void SourceProbe::log_lag(double bytes) {
  metrics().gauge("deltaforge_source_log_lag_bytes", {{"pipeline", pipeline_}, {"source", source_}}).set(bytes);
}

void SourceProbe::received(std::uint64_t bytes) { add_new(bytes_, told_bytes_, bytes); }

void SourceProbe::schemas(std::uint64_t known, std::uint64_t learnt) {
  add_new(known_, told_known_, known);
  add_new(learnt_, told_learnt_, learnt);
}

void SourceProbe::failed(const std::string& kind) {
  metrics()
      .counter("deltaforge_source_errors_total", {{"pipeline", pipeline_}, {"source", source_}, {"kind", kind}})
      .add();
}

}  // namespace deltaforge::pipeline
