// What the settings of every sink end with: `hold_secs`, `hold_bytes` and `filter`.
#pragma once

#include <cstdint>

#include "config/sink_filter.h"
#include "config/spec.h"

namespace deltaforge::config {

// How long, and how much of, the source's log is kept for a sink that is detached; the first to be reached counts.
// The settings of a sink are derived from it.
struct HoldLimits {
  std::int64_t hold_secs = 24 * 60 * 60;
  ByteSize hold_bytes{10ULL * 1024 * 1024 * 1024};
};

// For a T derived from HoldLimits with a member `filter`.
template <class T>
Spec<T>& add_sink_fields(Spec<T>& spec) {
  return spec
      .field("hold_secs", &T::hold_secs,
             "While it is away and the others go on, the source's log is kept for it so long; then it is lost.",
             {.min = 1, .max = 3'153'600'000})
      .field("hold_bytes", &T::hold_bytes, "And no more of the log than this; then it is lost.", {.min = 1})
      .nested("filter", &T::filter, "Which events it takes; without it all.");
}

}  // namespace deltaforge::config
