#include "obs/metrics.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>

#include "base/check.h"
#include "obs/process_stats.h"

namespace deltaforge::obs {

namespace {

using prometheus::MetricType;

constexpr double kSeconds[] = {.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30};
constexpr double kEvents[] = {1, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 4096, 8192, 16384, 32768, 65536};
constexpr double kBytes[] = {1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20,
                             1 << 22, 1 << 24, 1 << 26, 1 << 28, 1 << 30};

struct Definition {
  std::string_view name;
  MetricType type;
  std::string_view labels;  // that every series has; it may have more
  std::string_view help;
  std::span<const double> buckets = {};
};

constexpr auto kCounter = MetricType::Counter;
constexpr auto kGauge = MetricType::Gauge;
constexpr auto kHistogram = MetricType::Histogram;

constexpr Definition kTable[] = {
    // The process.
    {"deltaforge_build_info", kGauge, "version", "Always 1; the labels say what is running."},
    {"deltaforge_log_dropped_total", kCounter, "", "Log lines dropped because stderr was stalled or closed."},
    {"deltaforge_state_write_errors_total", kCounter, "", "Writes of the state database that failed."},
    {"deltaforge_panics_total", kCounter, "", "Errors that nobody expected: a bug of DeltaForge."},
    {"deltaforge_api_requests_total", kCounter, "route,method,status", "Requests that the API answered."},
    {"process_cpu_seconds_total", kCounter, "", "User and system CPU time of the process."},
    {"process_resident_memory_bytes", kGauge, "", "Resident memory of the process."},
    {"process_start_time_seconds", kGauge, "", "Start of the process, seconds since the Unix epoch."},
    {"process_open_fds", kGauge, "", "Open file descriptors of the process."},
    {"process_threads", kGauge, "", "Threads of the process."},
    // Pipelines.
    {"deltaforge_pipelines_total", kGauge, "", "Pipelines that are loaded."},
    {"deltaforge_pipeline_status", kGauge, "pipeline", "1 running, 0.5 paused, 0 stopped, -1 failed."},
    {"deltaforge_pipeline_degraded", kGauge, "pipeline", "1 while the pipeline runs but something keeps failing."},
    {"deltaforge_pipeline_pauses_total", kCounter, "pipeline", "Times the pipeline was paused."},
    {"deltaforge_pipeline_resumes_total", kCounter, "pipeline", "Times it went on after a pause, a stop or a failure."},
    {"deltaforge_dlq_events_total", kCounter, "pipeline,sink,error_kind",
     "Events that became dead letters; `sink` names the sink or the processor."},
    {"deltaforge_dlq_entries", kGauge, "pipeline", "Dead letters that wait for an operator."},
    {"deltaforge_dlq_saturation_ratio", kGauge, "pipeline", "Dead letters as a share of max_entries."},
    {"deltaforge_dlq_evicted_total", kCounter, "pipeline", "Dead letters lost to drop_oldest."},
    {"deltaforge_dlq_rejected_total", kCounter, "pipeline", "Events lost to overflow_policy: reject."},
    {"deltaforge_dlq_write_failures_total", kCounter, "pipeline", "Dead letters that could not be stored at once."},
    {"deltaforge_dlq_data_loss", kGauge, "pipeline",
     "Dead letters lost to a full queue or to age since an operator last acknowledged any."},
    {"deltaforge_flatten_failed_events_dropped_total", kCounter, "pipeline,processor",
     "Events that flatten dropped because they failed (on_error: drop)."},
    {"deltaforge_processor_latency_seconds", kHistogram, "pipeline,processor", "Time a processor took, per batch.",
     kSeconds},
    {"deltaforge_processor_events_in_total", kCounter, "pipeline,processor", "Events that a processor was given."},
    {"deltaforge_processor_events_out_total", kCounter, "pipeline,processor", "Events that it handed on."},
    {"deltaforge_processor_errors_total", kCounter, "pipeline,processor",
     "Times that a processor stopped the pipeline."},
    {"deltaforge_filter_dropped_total", kCounter, "pipeline,processor", "Events that a filter dropped."},
    {"deltaforge_outbox_transformed_total", kCounter, "pipeline,processor",
     "Outbox events that were made of rows or messages."},
    {"deltaforge_outbox_dropped_total", kCounter, "pipeline,processor,reason",
     "Outbox events that were dropped, became dead letters or stopped the pipeline."},
    {"deltaforge_script_errors_total", kCounter, "pipeline,processor", "Calls of a script that failed."},
    {"deltaforge_script_failed_events_dropped_total", kCounter, "pipeline,processor",
     "Events lost because a script failed for them alone, with on_error: drop."},
    {"deltaforge_pipeline_info", kGauge, "pipeline,tenant", "Always 1; the labels describe the pipeline."},
    {"deltaforge_pipeline_channel_depth", kGauge, "pipeline", "Batches that wait between the source and the sinks."},
    {"deltaforge_pipeline_memory_bytes", kGauge, "pipeline", "Memory of the pipeline's events, of batch.memory_bytes."},
    {"deltaforge_pipeline_spilled_bytes", kGauge, "pipeline", "Events on disk, of a transaction beyond that memory."},
    // Sources.
    {"deltaforge_source_events_total", kCounter, "pipeline,source,table", "Events read from the source."},
    {"deltaforge_source_bytes_total", kCounter, "pipeline,source", "Bytes of the log that came from the source."},
    {"deltaforge_source_schema_cache_hits_total", kCounter, "pipeline,source",
     "Descriptions of a table that repeated what was known."},
    {"deltaforge_source_schema_cache_misses_total", kCounter, "pipeline,source",
     "Descriptions of a table that said something new."},
    {"deltaforge_source_reconnects_total", kCounter, "pipeline,source", "Connections to the source after the first."},
    {"deltaforge_source_errors_total", kCounter, "pipeline,source,kind", "Errors that ended a run of the source."},
    {"deltaforge_source_lag_seconds", kGauge, "pipeline",
     "Age of the oldest commit that an attached sink does not have yet, else 0."},
    {"deltaforge_source_table_lag_seconds", kGauge, "pipeline,table",
     "Age of the table's newest event when it was read, 0 while nothing is under way."},
    {"deltaforge_source_idle_seconds", kGauge, "pipeline,source", "Time since the last message of the server."},
    {"deltaforge_source_log_lag_bytes", kGauge, "pipeline,source", "End of the server's log minus what was read."},
    // Batches.
    {"deltaforge_batch_events", kHistogram, "pipeline", "Events in a batch.", kEvents},
    {"deltaforge_batch_bytes", kHistogram, "pipeline", "Bytes of a batch in memory.", kBytes},
    {"deltaforge_bytes_total", kCounter, "pipeline", "Bytes of all batches."},
    {"deltaforge_stage_latency_seconds", kHistogram, "pipeline,stage,trigger", "Time a batch spent in a stage.",
     kSeconds},
    {"deltaforge_e2e_latency_seconds", kHistogram, "pipeline",
     "From the first event received to the last required acknowledgement, per batch.", kSeconds},
    // Checkpoints.
    {"deltaforge_checkpoints_total", kCounter, "pipeline", "Checkpoints stored."},
    {"deltaforge_last_checkpoint_ts", kGauge, "pipeline", "Time of the last checkpoint, seconds since the Unix epoch."},
    // Sinks.
    {"deltaforge_sink_events_total", kCounter, "pipeline,sink", "Events that were sent and acknowledged."},
    {"deltaforge_sink_batch_total", kCounter, "pipeline,sink", "Batches that were sent and acknowledged."},
    {"deltaforge_sink_bytes_total", kCounter, "pipeline,sink", "Encoded bytes handed to the sink's client."},
    {"deltaforge_sink_errors_total", kCounter, "pipeline,sink",
     "Attempts to open the sink, or to deliver to it, that failed."},
    {"deltaforge_sink_reconnects_total", kCounter, "pipeline,sink",
     "Times the sink was opened after the first of a run."},
    {"deltaforge_sink_rejected_events_total", kCounter, "pipeline,sink", "Events that the sink refused for good."},
    {"deltaforge_sink_routing_errors_total", kCounter, "pipeline,sink,kind", "Events that the sink refused, by kind."},
    {"deltaforge_coordinator_sink_timeout_total", kCounter, "pipeline,sink",
     "Batches given up at sink_batch_deadline_secs."},
    {"deltaforge_sink_latency_seconds", kHistogram, "pipeline,sink",
     "From the attempt that succeeded to its acknowledgement, per batch.", kSeconds},
    {"deltaforge_sink_last_checkpoint_ts", kGauge, "pipeline,sink",
     "When the sink's stored position last moved, seconds since the Unix epoch."},
    {"deltaforge_sink_checkpoint_status", kGauge, "pipeline,sink,required", "1 in order, 0 behind."},
    {"deltaforge_sink_attached", kGauge, "pipeline,sink", "1 attached, 0 detached, -1 lost."},
    {"deltaforge_sink_held_seconds", kGauge, "pipeline,sink",
     "How long the source's log has been held for a detached sink, of hold_secs."},
    {"deltaforge_sink_held_bytes", kGauge, "pipeline,sink",
     "How much of the source's log is held for a detached sink, of hold_bytes."},
    {"deltaforge_kafka_produce_retries_total", kCounter, "pipeline,sink", "Produce requests that librdkafka retried."},
    {"deltaforge_kafka_producer_queue_messages", kGauge, "pipeline,sink", "Messages in librdkafka's queue."},
    {"deltaforge_kafka_producer_queue_bytes", kGauge, "pipeline,sink", "Bytes in librdkafka's queue."},
};

bool has_labels(std::string_view wanted, const Labels& labels) {
  while (!wanted.empty()) {
    const std::size_t comma = std::min(wanted.find(','), wanted.size());
    if (!labels.contains(std::string(wanted.substr(0, comma)))) return false;
    wanted.remove_prefix(std::min(comma + 1, wanted.size()));
  }
  return true;
}

// What a handle points to: one of the three, as its family's type says.
std::shared_ptr<void> new_series(const Definition& definition) {
  if (definition.type == kCounter) return std::make_shared<prometheus::Counter>();
  if (definition.type == kGauge) return std::make_shared<prometheus::Gauge>();
  return std::make_shared<prometheus::Histogram>(
      prometheus::Histogram::BucketBoundaries(definition.buckets.begin(), definition.buckets.end()));
}

prometheus::ClientMetric collect(const Definition& definition, const void* series) {
  if (definition.type == kCounter) return static_cast<const prometheus::Counter*>(series)->Collect();
  if (definition.type == kGauge) return static_cast<const prometheus::Gauge*>(series)->Collect();
  return static_cast<const prometheus::Histogram*>(series)->Collect();
}

}  // namespace

struct Metrics::Impl {
  std::mutex mutex;
  std::array<std::map<Labels, std::shared_ptr<void>>, std::size(kTable)> families;  // in the order of the table

  std::shared_ptr<void> series(std::string_view name, MetricType type, const Labels& labels) {
    const auto* found = std::ranges::find(kTable, name, &Definition::name);
    DF_CHECK(found != std::end(kTable) && found->type == type, std::string(name).c_str());
    DF_CHECK(has_labels(found->labels, labels), std::string(name).c_str());
    std::lock_guard lock(mutex);
    auto& slot = families[static_cast<std::size_t>(found - kTable)][labels];
    if (!slot) slot = new_series(*found);
    return slot;
  }

  template <class Wanted>
  void erase(const std::string& label, const std::string& value, Wanted wanted) {
    std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < families.size(); ++i)
      if (wanted(kTable[i].type))
        std::erase_if(families[i], [&](const auto& series) {
          const auto found = series.first.find(label);
          return found != series.first.end() && found->second == value;
        });
  }

  std::vector<prometheus::MetricFamily> collect_all() {
    std::vector<prometheus::MetricFamily> result;
    std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < families.size(); ++i) {
      if (families[i].empty()) continue;
      const Definition& definition = kTable[i];
      auto& family = result.emplace_back();
      family.name = definition.name;
      family.help = definition.help;
      family.type = definition.type;
      for (const auto& [labels, series] : families[i]) {
        auto& metric = family.metric.emplace_back(collect(definition, series.get()));
        for (const auto& [key, value] : labels) metric.label.push_back({key, value});
      }
    }
    return result;
  }
};

void Counter::add(double amount) {
  if (series_) static_cast<prometheus::Counter*>(series_.get())->Increment(amount);
}

double Counter::value() const { return series_ ? static_cast<const prometheus::Counter*>(series_.get())->Value() : 0; }

void Gauge::set(double value) {
  if (series_) static_cast<prometheus::Gauge*>(series_.get())->Set(value);
}

double Gauge::value() const { return series_ ? static_cast<const prometheus::Gauge*>(series_.get())->Value() : 0; }

void Histogram::observe(double value) {
  if (series_) static_cast<prometheus::Histogram*>(series_.get())->Observe(value);
}

Metrics::Metrics() : impl_(new Impl) {}

void count_panic() { Metrics::instance().counter("deltaforge_panics_total", {}).add(); }

Metrics& Metrics::instance() {
  static Metrics& metrics = *new Metrics();
  return metrics;
}

Counter Metrics::counter(std::string_view name, const Labels& labels) {
  Counter handle;
  handle.series_ = impl_->series(name, kCounter, labels);
  return handle;
}

Gauge Metrics::gauge(std::string_view name, const Labels& labels) {
  Gauge handle;
  handle.series_ = impl_->series(name, kGauge, labels);
  return handle;
}

Histogram Metrics::histogram(std::string_view name, const Labels& labels) {
  Histogram handle;
  handle.series_ = impl_->series(name, kHistogram, labels);
  return handle;
}

void Metrics::forget(const std::string& label, const std::string& value) {
  impl_->erase(label, value, [](MetricType) { return true; });
}

void Metrics::forget_gauges(const std::string& label, const std::string& value) {
  impl_->erase(label, value, [](MetricType type) { return type == kGauge; });
}

void Metrics::forget_series(std::string_view name, const Labels& labels) {
  std::lock_guard lock(impl_->mutex);
  impl_->families[static_cast<std::size_t>(std::ranges::find(kTable, name, &Definition::name) - kTable)].erase(labels);
}

std::string Metrics::text() {
  const ProcessStats stats = process_stats();
  gauge("process_resident_memory_bytes", {}).set(stats.resident_bytes);
  gauge("process_start_time_seconds", {}).set(stats.start_time);
  gauge("process_open_fds", {}).set(stats.open_fds);
  gauge("process_threads", {}).set(stats.threads);
  Counter cpu = counter("process_cpu_seconds_total", {});
  cpu.add(std::max(0.0, stats.cpu_seconds - cpu.value()));
  return prometheus::TextSerializer().Serialize(impl_->collect_all());
}

}  // namespace deltaforge::obs
