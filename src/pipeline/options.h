// What a pipeline is told besides its components: the `batch`, `commit_policy` and `journal` blocks of its document.
#pragma once

#include <cstdint>
#include <optional>

#include "config/spec.h"

namespace deltaforge::pipeline {

struct BatchOptions {
  std::int64_t max_events = 2000;
  config::ByteSize max_bytes{16 * 1024 * 1024};
  config::Millis max_ms{50};
  bool respect_source_tx = true;
  std::int64_t max_inflight = 1;
  config::ByteSize memory_bytes{128 * 1024 * 1024};
  config::ByteSize max_tx_bytes{16ULL * 1024 * 1024 * 1024};

  static const config::Spec<BatchOptions>& spec();
};

enum class CommitMode { all, required, quorum };

struct CommitPolicy {
  CommitMode mode = CommitMode::required;
  std::optional<std::int64_t> quorum;

  static const config::Spec<CommitPolicy>& spec();
};

enum class Overflow { drop_oldest, reject, block };

struct DeadLetterOptions {
  std::int64_t max_entries = 10'000;
  std::int64_t max_age_secs = 604'800;
  Overflow overflow_policy = Overflow::drop_oldest;
  bool park_keys = false;
  std::int64_t park_max_entries = 10'000;

  static const config::Spec<DeadLetterOptions>& spec();
};

struct JournalOptions {
  bool enabled = false;
  config::ByteSize max_event_bytes{262'144};
  DeadLetterOptions dlq;

  static const config::Spec<JournalOptions>& spec();
};

}  // namespace deltaforge::pipeline
