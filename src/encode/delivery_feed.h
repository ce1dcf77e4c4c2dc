// Encodes a delivery slab by slab, one event a line, so that a large batch never exists encoded as a whole. For sinks
// that write a stream of lines. Lane thread only; the delivery must outlive it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/encoder.h"
#include "core/sink.h"

namespace deltaforge::encode {

class DeliveryFeed {
 public:
  explicit DeliveryFeed(const Delivery& delivery) : delivery_(&delivery) { enter_range(); }

  // Appends further lines until the slab is full or the delivery is at its end.
  void fill(Encoder& encoder, Slab& out) {
    const Batch& batch = *delivery_->batch;
    while (!done() && !out.full()) {
      const std::uint32_t index = event_++;
      if (const Event& event = batch.event(index); !event.dropped) {
        if (std::string_view reason = encoder.encode(batch, event, out); !reason.empty()) [[unlikely]]
          rejects_.push_back({index, "serialization", std::string(reason)});
        else
          out.append('\n');
      }
      if (event_ == delivery_->ranges[range_].last) {
        ++range_;
        enter_range();
      }
    }
  }
  bool done() const { return range_ == delivery_->ranges.size(); }

  const Delivery& delivery() const { return *delivery_; }
  const std::vector<Reject>& rejects() const { return rejects_; }
  std::vector<Reject> take_rejects() { return std::move(rejects_); }

 private:
  // To the first event of the next range that has one.
  void enter_range() {
    const auto& ranges = delivery_->ranges;
    while (range_ < ranges.size() && ranges[range_].first == ranges[range_].last) ++range_;
    if (range_ < ranges.size()) event_ = ranges[range_].first;
  }

  const Delivery* delivery_;
  std::size_t range_ = 0;
  std::uint32_t event_ = 0;
  std::vector<Reject> rejects_;
};

}  // namespace deltaforge::encode
