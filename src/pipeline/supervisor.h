// The one place that decides what an Error does to a pipeline. Pure.
#pragma once

#include <chrono>
#include <optional>

#include "base/error.h"

namespace deltaforge::pipeline {

// A run, and each lane in it, tries these again by itself for as long as it takes.
inline bool retried_inside(ErrorKind kind) { return kind == ErrorKind::unavailable || kind == ErrorKind::storage; }

struct Verdict {
  // When a failed pipeline is tried again by itself; nullopt: only a `resume` does.
  std::optional<std::chrono::seconds> again;
};

inline Verdict judge(ErrorKind kind) {
  // Wrong credentials and missing grants are mended from outside.
  if (kind == ErrorKind::auth) return {std::chrono::seconds(60)};
  // What a run cannot try again itself: it could not be made, or a processor failed so.
  if (retried_inside(kind)) return {std::chrono::seconds(5)};
  return {};
}

}  // namespace deltaforge::pipeline
