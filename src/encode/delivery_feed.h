// Encodes a delivery slab by slab, one event a line, so that a large batch never exists encoded as a whole. For sinks
// that write a stream of lines. It ends before the first row that the encoder refuses. Lane thread only; the delivery
// must outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/encoder.h"
#include "core/sink.h"

namespace deltaforge::encode {

class DeliveryFeed {
 public:
  explicit DeliveryFeed(const Delivery& delivery) : delivery_(&delivery) { enter_range(); }

  // Appends further lines until the slab is full or it is done().
  void fill(Encoder& encoder, Slab& out) {
    const Batch& batch = *delivery_->batch;
    while (!done() && !out.full()) {
      const std::uint32_t index = event_++;
      if (const Event& event = batch.event(index); !event.dropped) {
        const std::size_t line = out.size();
        if (std::string_view reason = encoder.encode(batch, event, out); !reason.empty()) [[unlikely]] {
          out.truncate(line);
          refused_ = {index, "serialization", std::string(reason)};
          return;
        }
        out.append('\n');
      }
      if (event_ == delivery_->ranges[range_].last) {
        ++range_;
        enter_range();
      }
    }
    if (!done()) batch.passed(event_);
  }
  // At the end of the delivery, or at a refused row.
  bool done() const { return refused_ || range_ == delivery_->ranges.size(); }

  const Delivery& delivery() const { return *delivery_; }
  const std::optional<Reject>& refused() const { return refused_; }
  // Says what became of the delivery. Only when done(), and its lines have arrived.
  void answer(Receipt receipt) {
    if (refused_)
      std::move(receipt).delivered_until(std::move(*refused_));
    else
      std::move(receipt).delivered();
  }

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
  std::optional<Reject> refused_;
};

}  // namespace deltaforge::encode
