#include "pipeline/probe.h"

namespace deltaforge::pipeline {
namespace {
obs::Metrics& metrics() { return obs::Metrics::instance(); }
}  // namespace

LaneProbe::LaneProbe(const std::string& pipeline, const std::string& sink, bool required) {
  obs::Labels labels{{"pipeline", pipeline}, {"sink", sink}};
  events_ = metrics().counter("deltaforge_sink_events_total", labels);
  batches_ = metrics().counter("deltaforge_sink_batch_total", labels);
  errors_ = metrics().counter("deltaforge_sink_errors_total", labels);
  reconnects_ = metrics().counter("deltaforge_sink_reconnects_total", labels);
  bytes_ = metrics().counter("deltaforge_sink_bytes_total", labels);
  rejects_ = metrics().counter("deltaforge_sink_rejected_events_total", labels);
  latency_ = metrics().histogram("deltaforge_sink_latency_seconds", labels);
  end_to_end_ = metrics().histogram("deltaforge_e2e_latency_seconds", {{"pipeline", pipeline}});
  labels["required"] = required ? "true" : "false";
  status_ = metrics().gauge("deltaforge_sink_checkpoint_status", labels);
  status_.set(1);
}

void LaneProbe::delivered(std::uint64_t events, double seconds, double end_to_end_seconds) {
  events_.add(static_cast<double>(events));
  batches_.add();
  latency_.observe(seconds);
  end_to_end_.observe(end_to_end_seconds);
}

BatchProbe::BatchProbe(const std::string& pipeline, const std::string& source) : pipeline_(pipeline), source_(source) {
  obs::Labels labels{{"pipeline", pipeline}};
  batch_events_ = metrics().histogram("deltaforge_batch_events", labels);
  batch_bytes_ = metrics().histogram("deltaforge_batch_bytes", labels);
  bytes_ = metrics().counter("deltaforge_bytes_total", labels);
  source_bytes_ = metrics().counter("deltaforge_source_bytes_total", {{"pipeline", pipeline}, {"source", source}});
  depth_ = metrics().gauge("deltaforge_pipeline_channel_depth", labels);
  process_ = metrics().histogram("deltaforge_stage_latency_seconds",
                                 {{"pipeline", pipeline}, {"stage", "process"}, {"trigger", "limits"}});
}

void BatchProbe::frozen(std::uint64_t events, std::uint64_t bytes, double process_seconds) {
  batch_events_.observe(static_cast<double>(events));
  batch_bytes_.observe(static_cast<double>(bytes));
  bytes_.add(static_cast<double>(bytes));
  source_bytes_.add(static_cast<double>(bytes));
  process_.observe(process_seconds);
}

void BatchProbe::table_events(std::uint64_t schema_id, const std::string& table, std::uint64_t events) {
  auto found = tables_.find(schema_id);
  if (found == tables_.end())
    found = tables_
                .emplace(schema_id, metrics().counter("deltaforge_source_events_total",
                                                      {{"pipeline", pipeline_}, {"source", source_}, {"table", table}}))
                .first;
  found->second.add(static_cast<double>(events));
}

CheckpointProbe::CheckpointProbe(const std::string& pipeline) {
  checkpoints_ = metrics().counter("deltaforge_checkpoints_total", {{"pipeline", pipeline}});
  last_ = metrics().gauge("deltaforge_last_checkpoint_ts", {{"pipeline", pipeline}});
  commit_ = metrics().histogram("deltaforge_stage_latency_seconds",
                                {{"pipeline", pipeline}, {"stage", "commit"}, {"trigger", "limits"}});
}

void CheckpointProbe::stored(double wall_seconds, double took_seconds) {
  checkpoints_.add();
  last_.set(wall_seconds);
  commit_.observe(took_seconds);
}

SourceProbe::SourceProbe(const std::string& pipeline, const std::string& source)
    : pipeline_(pipeline), source_(source) {
  reconnects_ = metrics().counter("deltaforge_source_reconnects_total", {{"pipeline", pipeline}, {"source", source}});
  lag_ = metrics().gauge("deltaforge_source_lag_seconds", {{"pipeline", pipeline}});
  log_lag_ = metrics().gauge("deltaforge_source_log_lag_bytes", {{"pipeline", pipeline}, {"source", source}});
  memory_ = metrics().gauge("deltaforge_pipeline_memory_bytes", {{"pipeline", pipeline}});
  spilled_ = metrics().gauge("deltaforge_pipeline_spilled_bytes", {{"pipeline", pipeline}});
  idle_ = metrics().gauge("deltaforge_source_idle_seconds", {{"pipeline", pipeline}, {"source", source}});
}

void SourceProbe::failed(const std::string& kind) {
  metrics()
      .counter("deltaforge_source_errors_total", {{"pipeline", pipeline_}, {"source", source_}, {"kind", kind}})
      .add();
}

}  // namespace deltaforge::pipeline
