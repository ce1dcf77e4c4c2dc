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

const config::Spec<DeadLetterOptions>& DeadLetterOptions::spec() {
  using O = DeadLetterOptions;
  static const auto s =
      config::Spec<O>("dlq", "The queue of dead letters.")
          .field("max_entries", &O::max_entries, "Entries that it holds.", {.min = 1, .max = 10'000'000})
          .field("max_age_secs", &O::max_age_secs, "Older entries are removed, which loses them. 0: never.",
                 {.min = 0, .max = 3'153'600'000})
          .choice("overflow_policy", &O::overflow_policy,
                  "When it is full: the oldest entry is lost, the new event is lost, or its sink waits for room.",
                  {{"drop_oldest", Overflow::drop_oldest}, {"reject", Overflow::reject}, {"block", Overflow::block}})
          .field("park_keys", &O::park_keys,
                 "Later events of a row wait behind its dead letter, until that is replayed or acknowledged.")
          .field("park_max_entries", &O::park_max_entries,
                 "So many events may wait at one sink or processor; then it waits for room.",
                 {.min = 1, .max = 10'000'000});
  return s;
}

const config::Spec<JournalOptions>& JournalOptions::spec() {
  using O = JournalOptions;
  static const auto s =
      config::Spec<O>("journal", "Keeps events that cannot be delivered as dead letters, instead of waiting for them.")
          .field("enabled", &O::enabled, "Whether it does. Without it such an event blocks its sink.")
          .field("max_event_bytes", &O::max_event_bytes,
                 "Of a longer event the row images are left out; such an entry cannot be replayed.", {.min = 1})
          .nested("dlq", &O::dlq, "The queue of dead letters.");
  return s;
}

}  // namespace deltaforge::pipeline
