// Encodes a delivery slab by slab, one event a line, so that a large batch never exists encoded as a whole. For sinks
// that write a stream of lines. It ends before the first row that the encoder refuses and nobody takes over. Lane
// thread only; the delivery must outlive it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/encoder.h"
#include "core/event_cursor.h"
#include "core/sink.h"

namespace deltaforge::encode {

class DeliveryFeed {
 public:
  explicit DeliveryFeed(const Delivery& delivery) : delivery_(&delivery), cursor_(delivery) {}

  // Appends further lines until the slab is full or it is done().
  void fill(Encoder& encoder, Slab& out) {
    for (; !done() && !out.full(); cursor_.pass()) {
      const std::size_t line = out.size();
      if (std::string_view why = encoder.encode(*delivery_->batch, cursor_.event(), out); !why.empty()) [[unlikely]] {
        out.truncate(line);
        Reject reject{cursor_.index(), "serialization", std::string(why)};
        if (delivery_->set_aside(reject)) continue;
        refused_ = std::move(reject);
        return;
      }
      out.append('\n');
    }
  }
  // At the end of the delivery, or at a refused row.
  bool done() const { return refused_ || cursor_.at_end(); }

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
  const Delivery* delivery_;
  EventCursor cursor_;
  std::optional<Reject> refused_;
};

}  // namespace deltaforge::encode
