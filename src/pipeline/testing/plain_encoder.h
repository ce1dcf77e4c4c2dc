// What a journal shows of an event, in tests that do not look at it.
#pragma once

#include <string_view>

#include "base/slab.h"
#include "core/encoder.h"

namespace deltaforge::pipeline::testing {

class PlainEncoder final : public Encoder {
 public:
  std::string_view encode(const Batch&, const Event&, Slab& out) override {
    out.append("{}");
    return {};
  }
  std::string_view content_type() const override { return "application/json"; }
};

}  // namespace deltaforge::pipeline::testing
