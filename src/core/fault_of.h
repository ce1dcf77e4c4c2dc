// The Fault that an Error is for the batches in flight: a far side that is away is tried again by the lane, with
// anything else the pipeline cannot go on.
#pragma once

#include "base/error.h"
#include "core/sink.h"

namespace deltaforge {

inline Fault fault_of(const Error& error) {
  if (error.kind() == ErrorKind::unavailable) return Fault::retry(error.message(), error.hint());
  return Fault::stop(error.kind(), error.message(), error.hint());
}

}  // namespace deltaforge
