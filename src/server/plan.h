// `deltaforge plan`: what a start would find and do. Nothing is changed: the state is read into memory, servers are
// asked over read-only connections, sinks and directories are looked at.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "core/plan.h"
#include "server/cli.h"

namespace deltaforge::server {

struct PlanPart {
  std::string what;      // "document", "state", "source", "sink"
  std::string id, type;  // of a component; of the state its place and backend
  PlanReport report;
};

struct PipelinePlan {
  std::string name, file;
  std::vector<PlanPart> parts;

  std::size_t problems() const;
};

// Prints it; the exit code is kInvalid when a pipeline would not start.
int plan(const std::vector<std::string>& files, const RunOptions& run, const PlanOptions& options, std::ostream& out);

}  // namespace deltaforge::server
