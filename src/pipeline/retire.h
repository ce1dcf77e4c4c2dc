// The end of a pipeline that is deleted: nothing is left of it on its source's server, as far as we made it, nor in
// the store.
#pragma once

#include <string>
#include <vector>

#include "core/store.h"
#include "pipeline/pipeline.h"

namespace deltaforge::pipeline {

// The pipeline does not run. Throws Error when the server cannot be asked; the store is as it was then.
void retire(const PipelineSpec&, Store&);

// Sinks that are no longer of this source: should one come back, it is a new one.
void forget_sinks(const PipelineSpec&, Store&, const std::vector<std::string>& sinks);

// The same for those that were of it once, and are not among its sinks any more: a file was edited meanwhile.
void forget_strangers(const PipelineSpec&, Store&);

}  // namespace deltaforge::pipeline
