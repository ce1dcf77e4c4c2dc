// The processors of a run: those of the configuration, and in the place of one that is gone, while the journal keeps
// events of it, one that lets everything pass. So what waits there still goes on in its order, through the processors
// that come behind it.
#pragma once

#include <string>
#include <vector>

#include "core/component.h"

namespace deltaforge::pipeline {

struct StepSpec {
  std::string id;
  const ProcessorMaker* maker = nullptr;  // null: it is gone
};

// `before`: those of the run before, in their order; `kept`: those that the journal has events of. Pure.
std::vector<StepSpec> find_steps(const std::vector<ProcessorMaker>&, const std::vector<std::string>& before,
                                 const std::vector<std::string>& kept);

}  // namespace deltaforge::pipeline
