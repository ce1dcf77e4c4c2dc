// Changes to documents that were parsed: what a PATCH makes of one, and the text in which one is kept.
#pragma once

#include <string>

#include "config/node.h"
#include "config/report.h"

namespace deltaforge::config {

// `base` with `patch` over it: maps are merged field by field, anything else is replaced, null takes a field away. Each
// node stays what it was: its place, its file, and which variables may stand in it.
//
// A value that shows a mask (`***`, as the echo does) stays what it was in `base`, also in a list: there the entry with
// the same `config.id`, else the one at the same index, is meant. A mask over nothing is a problem.
Node merge(const Node& base, const Node& patch, Report& report);

// One line of YAML, which is JSON but for the scalars that stood without quotes; parse() makes the same tree of it.
// Holds secrets as they were written.
std::string write(const Node& node);

}  // namespace deltaforge::config
