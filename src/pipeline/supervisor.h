// The one place that decides what an Error does to a pipeline. Pure.
#pragma once

#include <chrono>
#include <optional>

#include "base/error.h"

namespace deltaforge::pipeline {

struct Verdict {
  // When a failed pipeline is tried again by itself; nullopt: only a `resume` does.
  std::optional<std::chrono::seconds> again;
};

// `unavailable` and `storage` never get here: the run itself retries them.
inline Verdict judge(ErrorKind kind) {
  // Wrong credentials and missing grants are mended from outside.
  if (kind == ErrorKind::auth) return {std::chrono::seconds(60)};
  if (kind == ErrorKind::unavailable || kind == ErrorKind::storage) return {std::chrono::seconds(5)};
  return {};
}

}  // namespace deltaforge::pipeline
