// Blocks of `spec` that this build reads and checks, and then does nothing with: hints, which are warned about, and
// features of later builds, which are refused once they are switched on. Only the switches are kept.
#pragma once

#include "config/spec.h"

namespace deltaforge::server {

struct Sharding {
  static const config::Spec<Sharding>& spec();

  std::string mode;
  std::optional<std::int64_t> count;
  std::optional<std::string> key;
};

struct ConnectionPolicy {
  struct Limits {
    static const config::Spec<Limits>& spec();

    std::optional<std::int64_t> max_dedicated_per_source;
  };
  static const config::Spec<ConnectionPolicy>& spec();

  std::optional<std::string> default_mode, preferred_replica;
  std::optional<Limits> limits;
};

struct SchemaSensing {
  static const config::Spec<SchemaSensing>& spec();
  void check(const config::Node&, config::Report&) const;

  struct Names {
    static const config::Spec<Names>& spec();
    std::vector<std::string> include, exclude;
  };
  struct DeepInspect {
    static const config::Spec<DeepInspect>& spec();
    bool enabled = true;
    std::int64_t max_depth = 10, max_sample_size = 1000;
    Names columns;
  };
  struct Sampling {
    static const config::Spec<Sampling>& spec();
    std::int64_t warmup_events = 1000, sample_rate = 10;
    bool structure_cache = true;
    std::int64_t structure_cache_size = 100;
  };
  struct HighCardinality {
    static const config::Spec<HighCardinality>& spec();
    bool enabled = true;
    std::int64_t min_events = 100;
    double stable_threshold = 0.5;
    std::int64_t min_dynamic_fields = 5;
    double confidence_threshold = 0.7;
    std::int64_t reevaluate_interval = 10'000, hll_precision = 12, heavy_hitter_capacity = 50, sample_size = 50;
  };
  struct Tracking {
    static const config::Spec<Tracking>& spec();
    bool detect_drift = true;
    double drift_threshold = 0.1;
    bool field_statistics = false, null_rates = true, enum_detection = true;
    std::int64_t enum_max_cardinality = 50;
  };
  enum class Dialect { draft_07, draft_2020_12 };
  struct Output {
    static const config::Spec<Output>& spec();
    bool emit_schemas = true, expose_api = true, emit_events = false, export_json_schema = true;
    Dialect json_schema_format = Dialect::draft_07;
  };

  bool enabled = false;
  Names tables;
  DeepInspect deep_inspect;
  Sampling sampling;
  HighCardinality high_cardinality;
  Tracking tracking;
  Output output;
};

}  // namespace deltaforge::server
