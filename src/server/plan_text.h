// A plan as people and programs read it. Pure.
#pragma once

#include <string>
#include <vector>

#include "server/plan.h"

namespace deltaforge::server {

// Long lists are cut; print_json() has all of them.
std::string print_text(const std::vector<PipelinePlan>& plans);
std::string print_json(const std::vector<PipelinePlan>& plans);

}  // namespace deltaforge::server
