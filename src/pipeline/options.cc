#include "pipeline/options.h"

namespace deltaforge::pipeline {

const config::Spec<BatchOptions>& BatchOptions::spec() {
  static const auto s =
      config::Spec<BatchOptions>("batch", "When a batch is cut, and how much may be in flight.")
          .field("max_events", &BatchOptions::max_events, "Cut at the commit that reaches this many events.",
                 {.min = 1, .max = 10'000'000})
          .field("max_bytes", &BatchOptions::max_bytes, "Cut at the commit that reaches this many bytes in memory.",
                 {.min = 1})
          .field("max_ms", &BatchOptions::max_ms, "Cut at the latest this long after the batch's first commit.",
                 {.min = 1, .max = 3'600'000})
          .field("respect_source_tx", &BatchOptions::respect_source_tx,
                 "Never split a source transaction over two batches. False allows it; this build never does.")
          .field("max_inflight", &BatchOptions::max_inflight, "Depth of the queue in front of each sink.",
                 {.min = 1, .max = 64})
          .field(
              "memory_bytes", &BatchOptions::memory_bytes,
              "Memory for the events of this pipeline. A transaction beyond it goes to disk, into the state directory.",
              {.min = 1024 * 1024})
          .field("max_tx_bytes", &BatchOptions::max_tx_bytes,
                 "The pipeline stops, with nothing lost, at a transaction larger than this.", {.min = 1024 * 1024});
  return s;
}

const config::Spec<CommitPolicy>& CommitPolicy::spec() {
  static const auto s =
      config::Spec<CommitPolicy>("commit_policy", "Which sinks must acknowledge before a batch counts as committed.")
          .choice("mode", &CommitPolicy::mode, "all sinks, those marked required, or any `quorum` of them.",
                  {{"all", CommitMode::all}, {"required", CommitMode::required}, {"quorum", CommitMode::quorum}})
          .field("quorum", &CommitPolicy::quorum, "Number of sinks for `mode: quorum`.", {.min = 1});
  return s;
}

}  // namespace deltaforge::pipeline
