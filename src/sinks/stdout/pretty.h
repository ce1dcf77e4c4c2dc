// One event as one line for people:
//
//   12:00:00.123 UPDATE   public.orders 7  status: new -> paid, total: 9.90 -> 12.00
//
// Long values are cut, control characters shown as escapes. Not a format for programs.
#pragma once

#include <string>
#include <string_view>

#include "core/encoder.h"

namespace deltaforge::sinks::stdout {

class PrettyEncoder final : public Encoder {
 public:
  explicit PrettyEncoder(bool colour) : colour_(colour) {}
  // Never refuses: what is not UTF-8 is shown as escapes.
  std::string_view encode(const Batch&, const Event&, Slab& out) override;
  std::string_view content_type() const override { return "text/plain; charset=utf-8"; }

 private:
  bool colour_;
  std::string line_;
};

}  // namespace deltaforge::sinks::stdout
