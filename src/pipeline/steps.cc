#include "pipeline/steps.h"

#include <algorithm>

namespace deltaforge::pipeline {

std::vector<StepSpec> find_steps(const std::vector<ProcessorMaker>& makers, const std::vector<std::string>& before,
                                 const std::vector<std::string>& kept) {
  std::vector<StepSpec> steps;
  for (const ProcessorMaker& maker : makers) steps.push_back({maker.id, &maker});
  const auto place_of = [&](const std::string& id) { return std::ranges::find(steps, id, &StepSpec::id); };
  std::vector<std::string> gone;
  for (const std::string& id : kept)
    if (place_of(id) == steps.end()) gone.push_back(id);
  // Behind what it stood behind.
  std::ptrdiff_t place = 0;
  for (const std::string& id : before) {
    if (std::ranges::find(gone, id) != gone.end()) steps.insert(steps.begin() + place, {id, nullptr});
    if (const auto here = place_of(id); here != steps.end()) place = here - steps.begin() + 1;
  }
  for (const std::string& id : gone)
    if (place_of(id) == steps.end()) steps.insert(steps.begin(), {id, nullptr});
  return steps;
}

}  // namespace deltaforge::pipeline
