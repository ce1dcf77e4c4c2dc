// Quantities of the configuration. Both are plain integers in the file; the field's name carries the unit.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace deltaforge::config {

struct Millis {
  std::int64_t count = 0;
  std::chrono::milliseconds duration() const { return std::chrono::milliseconds(count); }
  auto operator<=>(const Millis&) const = default;
};

struct ByteSize {
  std::uint64_t count = 0;
  auto operator<=>(const ByteSize&) const = default;
};

}  // namespace deltaforge::config
