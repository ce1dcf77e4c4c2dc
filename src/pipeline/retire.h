// The end of a pipeline that is deleted: nothing is left of it on its source's server, as far as we made it, nor in
// the store.
#pragma once

#include "core/store.h"
#include "pipeline/pipeline.h"

namespace deltaforge::pipeline {

// The pipeline does not run. Throws Error when the server cannot be asked; the store is as it was then.
void retire(const PipelineSpec&, Store&);

}  // namespace deltaforge::pipeline
