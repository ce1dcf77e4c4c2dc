// Walks over the events of a delivery that are to be sent: its ranges, less dropped ones and those that the sink does
// not want.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/sink.h"

namespace deltaforge {

class EventCursor {
 public:
  struct Place {
    std::size_t range = 0;
    std::uint32_t index = 0;  // of the event in the batch
  };

  // The delivery must outlive it.
  explicit EventCursor(const Delivery& delivery) : delivery_(&delivery) { begin_again(); }

  bool at_end() const { return place_.range == delivery_->ranges.size(); }
  // The event that is next, until pass(). Not at the end.
  const Event& event() const { return delivery_->batch->event(place_.index); }
  std::uint32_t index() const { return place_.index; }
  const Delivery& delivery() const { return *delivery_; }
  void pass() {
    ++place_.index;
    settle();
    if (place_.index % kHintEvery == 0 && !at_end()) delivery_->batch->passed(place_.index);
  }

  Place place() const { return place_; }
  void go_back(Place place) { place_ = place; }
  void begin_again() {
    place_ = {};
    enter();
    settle();
  }

 private:
  static constexpr std::uint32_t kHintEvery = 4096;

  void enter() {
    if (!at_end()) place_.index = delivery_->ranges[place_.range].first;
  }
  void settle() {
    while (!at_end()) {
      if (place_.index == delivery_->ranges[place_.range].last) {
        ++place_.range;
        enter();
      } else if (!delivery_->wants(event())) {
        ++place_.index;
      } else {
        return;
      }
    }
  }

  const Delivery* delivery_;
  Place place_;
};

}  // namespace deltaforge
