// An encoder turns one event into the bytes of its sink. One object per lane; its lane's thread only.
#pragma once

#include <string_view>

#include "base/slab.h"
#include "core/batch.h"

namespace deltaforge {

class Encoder {
 public:
  virtual ~Encoder() = default;
  // Appends to `out`. Returns why the event cannot be encoded (`out` is then as before), or "".
  virtual std::string_view encode(const Batch&, const Event&, Slab& out) = 0;
  virtual std::string_view content_type() const = 0;
};

}  // namespace deltaforge
