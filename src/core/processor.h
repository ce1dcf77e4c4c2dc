// A processor changes a batch in place, before it is frozen: drops events, replaces images, appends copies to a
// transaction. Transform thread only; scratch memory is the batch's pages.
#pragma once

#include "core/batch.h"

namespace deltaforge {

// What becomes of an event that a processor cannot take: the pipeline stops before it; it becomes a dead letter
// (ProcessorContext::set_aside); it is dropped and counted.
enum class OnError { fail, dlq, drop };

// Leaves process() after wind_down() or cancel(): the batch is thrown away, nothing of it is delivered, and the next
// run reads it again. No failure.
struct Cancelled {};

class Processor {
 public:
  virtual ~Processor() = default;
  virtual void process(Batch&) = 0;
  // It may give more events than it got.
  virtual bool copies() const { return false; }

  // The pipeline stops. Both from any thread, once, also during process(); a processor that is always quick leaves
  // them. What was read is still delivered: process() goes on, and throws Cancelled where it gets nowhere.
  virtual void wind_down() noexcept {}
  // The run ends: process() throws Cancelled, this time and from now on, within some milliseconds.
  virtual void cancel() noexcept {}
};

}  // namespace deltaforge
