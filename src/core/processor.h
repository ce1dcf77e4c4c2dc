// A processor changes a batch in place, before it is frozen: drops events, replaces images, appends copies to a
// transaction. Transform thread only; scratch memory is the batch's pages.
#pragma once

#include "core/batch.h"

namespace deltaforge {

// What becomes of an event that a processor cannot take: the pipeline stops before it; it becomes a dead letter
// (ProcessorContext::set_aside); it is dropped and counted.
enum class OnError { fail, dlq, drop };

class Processor {
 public:
  virtual ~Processor() = default;
  virtual void process(Batch&) = 0;
};

}  // namespace deltaforge
