#include "server/later_blocks.h"

namespace deltaforge::server {

using config::Spec;

const Spec<Sharding>& Sharding::spec() {
  static const auto s = Spec<Sharding>("sharding", "A hint for whoever distributes events; not used.")
                            .field("mode", &Sharding::mode, "How events are distributed.")
                            .field("count", &Sharding::count, "Over how many.", {.min = 0, .max = 4'294'967'295})
                            .field("key", &Sharding::key, "By what.");
  return s;
}

const Spec<ConnectionPolicy::Limits>& ConnectionPolicy::Limits::spec() {
  static const auto s = Spec<Limits>("connection_limits", "Upper bounds of connections; not used.")
                            .field("max_dedicated_per_source", &Limits::max_dedicated_per_source,
                                   "Connections of one source.", {.min = 0, .max = 4'294'967'295});
  return s;
}

const Spec<ConnectionPolicy>& ConnectionPolicy::spec() {
  static const auto s =
      Spec<ConnectionPolicy>("connection_policy", "A hint about connections to the source; not used.")
          .field("default_mode", &ConnectionPolicy::default_mode, "`shared` or `dedicated` connections.")
          .field("preferred_replica", &ConnectionPolicy::preferred_replica, "Replica to read from.")
          .nested("limits", &ConnectionPolicy::limits, "Upper bounds.");
  return s;
}

const Spec<SchemaSensing::Names>& SchemaSensing::Names::spec() {
  static const auto s = Spec<Names>("sensing_names", "Which ones are looked at.")
                            .field("include", &Names::include, "These; `*` and `%` at the end. Empty: all.")
                            .field("exclude", &Names::exclude, "But not these.");
  return s;
}

const Spec<SchemaSensing::DeepInspect>& SchemaSensing::DeepInspect::spec() {
  static const auto s =
      Spec<DeepInspect>("sensing_deep_inspect", "Looks into nested JSON.")
          .field("enabled", &DeepInspect::enabled, "Whether it does.")
          .field("max_depth", &DeepInspect::max_depth, "Levels of nesting.", {.min = 0})
          .field("max_sample_size", &DeepInspect::max_sample_size, "Events that are looked into.", {.min = 0})
          .nested("columns", &DeepInspect::columns, "Columns that are looked into.");
  return s;
}

const Spec<SchemaSensing::Sampling>& SchemaSensing::Sampling::spec() {
  static const auto s =
      Spec<Sampling>("sensing_sampling", "Which events are looked at.")
          .field("warmup_events", &Sampling::warmup_events, "All of the first so many of a table.", {.min = 0})
          .field("sample_rate", &Sampling::sample_rate, "After that one in so many.", {.min = 1})
          .field("structure_cache", &Sampling::structure_cache, "Whether known structures are skipped.")
          .field("structure_cache_size", &Sampling::structure_cache_size, "Known structures of a table.", {.min = 0});
  return s;
}

const Spec<SchemaSensing::HighCardinality>& SchemaSensing::HighCardinality::spec() {
  using H = HighCardinality;
  static const auto s =
      Spec<H>("sensing_high_cardinality", "Finds maps whose keys are data.")
          .field("enabled", &H::enabled, "Whether it does.")
          .field("min_events", &H::min_events, "Events before it decides.", {.min = 0})
          .field("stable_threshold", &H::stable_threshold, "Share of events that makes a key a field.",
                 {.min = 0, .max = 1})
          .field("min_dynamic_fields", &H::min_dynamic_fields, "Different keys that make a map of data.", {.min = 0})
          .field("confidence_threshold", &H::confidence_threshold, "Certainty that is needed.", {.min = 0, .max = 1})
          .field("reevaluate_interval", &H::reevaluate_interval, "Events until it decides anew. 0: never.", {.min = 0})
          .field("hll_precision", &H::hll_precision, "Bits of the counter of different keys.", {.min = 4, .max = 18})
          .field("heavy_hitter_capacity", &H::heavy_hitter_capacity, "Frequent keys that are remembered.", {.min = 0})
          .field("sample_size", &H::sample_size, "Keys that are kept as examples.", {.min = 0});
  return s;
}

const Spec<SchemaSensing::Tracking>& SchemaSensing::Tracking::spec() {
  static const auto s =
      Spec<Tracking>("sensing_tracking", "What is remembered of a field.")
          .field("detect_drift", &Tracking::detect_drift, "Whether declared and seen shapes are compared.")
          .field("drift_threshold", &Tracking::drift_threshold, "Share of deviating events that is told.",
                 {.min = 0, .max = 1})
          .field("field_statistics", &Tracking::field_statistics, "Counts of each field.")
          .field("null_rates", &Tracking::null_rates, "How often a field is null.")
          .field("enum_detection", &Tracking::enum_detection, "Whether few different values are listed.")
          .field("enum_max_cardinality", &Tracking::enum_max_cardinality, "At most so many.", {.min = 0});
  return s;
}

const Spec<SchemaSensing::Output>& SchemaSensing::Output::spec() {
  static const auto s = Spec<Output>("sensing_output", "Where what was learnt is shown.")
                            .field("emit_schemas", &Output::emit_schemas, "In answers of the API.")
                            .field("expose_api", &Output::expose_api, "The routes below `/pipelines/{name}/sensing`.")
                            .field("emit_events", &Output::emit_events, "As events of their own.")
                            .field("export_json_schema", &Output::export_json_schema, "As JSON Schema.")
                            .choice("json_schema_format", &Output::json_schema_format, "Its dialect.",
                                    {{"draft-07", Dialect::draft_07}, {"2020-12", Dialect::draft_2020_12}});
  return s;
}

const Spec<SchemaSensing>& SchemaSensing::spec() {
  static const auto s =
      Spec<SchemaSensing>("schema_sensing", "Learns the shape of JSON payloads. Not in this build.")
          .field("enabled", &SchemaSensing::enabled, "Whether it does; only false in this build.")
          .nested("tables", &SchemaSensing::tables, "Tables that are looked at.")
          .nested("deep_inspect", &SchemaSensing::deep_inspect, "Looks into nested JSON.")
          .nested("sampling", &SchemaSensing::sampling, "Which events are looked at.")
          .nested("high_cardinality", &SchemaSensing::high_cardinality, "Finds maps whose keys are data.")
          .nested("tracking", &SchemaSensing::tracking, "What is remembered of a field.")
          .nested("output", &SchemaSensing::output, "Where what was learnt is shown.");
  return s;
}

void SchemaSensing::check(const config::Node& node, config::Report& report) const {
  if (enabled) report.add(node, "enabled", "not in this build: schema_sensing; write false");
}

}  // namespace deltaforge::server
