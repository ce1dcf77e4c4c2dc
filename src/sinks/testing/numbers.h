// Positions that are plain numbers, for tests that put a sink behind a lane.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/position.h"
#include "sinks/testing/batch_builder.h"

namespace deltaforge::sinks::testing {

class Numbers final : public PositionAlgebra {
 public:
  bool covers(const Position& at, const Mark& mark) const override { return number(at) >= mark.as<std::uint64_t>(); }
  void advance(Position& at, std::span<const Mark> marks) const override {
    for (const Mark& mark : marks)
      if (!covers(at, mark)) at = position(mark.as<std::uint64_t>());
  }
  Position meet(const Position& a, const Position& b) const override {
    return position(std::min(number(a), number(b)));
  }
  bool equal(const Position& a, const Position& b) const override { return number(a) == number(b); }
  LogPlace place(const Mark& mark) const override { return {0, mark.as<std::uint64_t>()}; }
  std::string print(const Position& at) const override { return show(at); }
  Position parse(std::string_view) const override { return {}; }
  std::string show(const Position& at) const override { return std::to_string(number(at)); }
};

}  // namespace deltaforge::sinks::testing
