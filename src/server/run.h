// The commands behind the command line: what they print, and the exit code.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "server/cli.h"
#include "server/process.h"

namespace deltaforge::server {

// Runs pipelines until a signal comes, then drains. A second signal ends the process at once.
int run(const RunOptions& options, StopSignals& signals, std::ostream& err);

// Prints all problems and warnings to `err`, one "ok" line a good pipeline to `out`.
int validate(const std::vector<std::string>& files, std::ostream& out, std::ostream& err);

// The JSON Schema of a pipeline file, to the file `output` or, when that is empty, to `out`.
int print_schema(const std::string& output, std::ostream& out, std::ostream& err);

}  // namespace deltaforge::server
