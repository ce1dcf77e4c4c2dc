// A simulated processor: counts in each row how many have seen it, and cannot take some rows until it is mended.
#pragma once

#include <functional>
#include <string>

#include "core/component.h"
#include "pipeline/testing/sim_rows.h"

namespace deltaforge::pipeline::testing {

inline SimRow sim_row(const Batch& batch, const Event& event) {
  return {static_cast<std::uint64_t>(batch.commits()[event.commit].ts_us), event.ordinal};
}

// How many processors have seen it.
inline std::size_t processed(const Event& event) {
  if (event.op == Op::truncate) return event.locus.size();
  return static_cast<std::size_t>((event.after.present ? event.after : event.before).values[1].as_int64());
}

class SimProcessor final : public Processor {
 public:
  SimProcessor(SimRows& rows, std::string id, const ProcessorContext& context)
      : rows_(rows), stage_("processor:" + std::move(id)), set_aside_(context.set_aside) {}
  void process(Batch&) override;

 private:
  SimRows& rows_;
  const std::string stage_;
  const decltype(ProcessorContext::set_aside) set_aside_;
};

}  // namespace deltaforge::pipeline::testing
