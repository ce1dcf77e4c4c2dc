// The `filter` block of a sink: which events it takes, by where they come from.
#pragma once

#include <string>
#include <vector>

#include "config/spec.h"

namespace deltaforge::config {

struct SinkFilter {
  bool exclude_synthetic = false, synthetic_only = false;
  std::vector<std::string> producers;

  static const Spec<SinkFilter>& spec();
  void check(const Node& node, Report& report) const;

  bool empty() const { return !exclude_synthetic && !synthetic_only && producers.empty(); }
  // `producer`: the processor that made the event; empty for one that the source read.
  bool passes(std::string_view producer) const;
};

}  // namespace deltaforge::config
