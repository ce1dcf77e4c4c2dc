#include "config/sink_filter.h"

#include <algorithm>

namespace deltaforge::config {

const Spec<SinkFilter>& SinkFilter::spec() {
  static const auto s =
      Spec<SinkFilter>("filter", "Which events a sink takes. What it does not take counts as delivered.")
          .field("exclude_synthetic", &SinkFilter::exclude_synthetic, "Not those that a processor made.")
          .field("synthetic_only", &SinkFilter::synthetic_only, "Only those that a processor made.")
          .field("producers", &SinkFilter::producers, "Only those that one of these processors made; empty: any.");
  return s;
}

void SinkFilter::check(const Node& node, Report& report) const {
  if (exclude_synthetic && (synthetic_only || !producers.empty()))
    report.add(node, "exclude_synthetic", "it and synthetic_only or producers leave no event: give one of them");
}

bool SinkFilter::passes(std::string_view producer) const {
  if (producer.empty()) return !synthetic_only && producers.empty();
  if (exclude_synthetic) return false;
  return producers.empty() || std::ranges::find(producers, producer) != producers.end();
}

}  // namespace deltaforge::config
