// What a Redis sink has under way. All of it belongs to the lane thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/slab.h"
#include "core/sink.h"

namespace deltaforge::sinks::redis {

// A delivery, and how far it has been encoded.
class Parcel {
 public:
  struct Place {
    std::size_t range = 0;
    std::uint32_t at = 0;  // in that range
  };

  Parcel(const Delivery& delivery, Receipt receipt) : delivery_(&delivery), receipt_(std::move(receipt)) {
    enter_range();
  }

  // The next event to encode; null when all have been. It stays the next until pass().
  const Event* next() {
    while (place_.range < delivery_->ranges.size()) {
      if (const Event& event = delivery_->batch->event(place_.at); !event.dropped) return &event;
      pass();
    }
    return nullptr;
  }
  void pass() {
    if (++place_.at < delivery_->ranges[place_.range].last) return;
    ++place_.range;
    enter_range();
  }
  std::uint32_t index() const { return place_.at; }
  // Of the next event's transaction, no fewer than the rows from it on.
  std::size_t left_of_transaction(const Event& event) const {
    return delivery_->batch->commits()[event.commit].last - place_.at;
  }

  Place place() const { return place_; }
  void go_back(Place place) { place_ = place; }
  void begin_again() {
    place_ = {};
    enter_range();
  }

  const Batch& batch() const { return *delivery_->batch; }
  Receipt take_receipt() { return *std::exchange(receipt_, std::nullopt); }
  bool answered() const { return !receipt_; }

 private:
  void enter_range() {
    const auto& ranges = delivery_->ranges;
    while (place_.range < ranges.size() && ranges[place_.range].first == ranges[place_.range].last) ++place_.range;
    if (place_.range < ranges.size()) place_.at = ranges[place_.range].first;
  }

  const Delivery* delivery_;
  std::optional<Receipt> receipt_;
  Place place_;
};

// One MULTI/EXEC in one slab: whole transactions, or a part of one that is larger than a chunk.
struct Chunk {
  static constexpr std::size_t kRows = 512;               // more would keep the server from others for too long
  static constexpr std::size_t kJoinBytes = 1024 * 1024;  // from here on no further transaction joins

  struct Row {
    Parcel* parcel;
    std::uint32_t event;
  };

  Chunk() { rows.reserve(kRows); }
  void reset(Slab* new_slab, Parcel::Place first) {
    slab = new_slab;
    rows.clear();
    begin = first;
    parcels_done = written = answers = exec_left = refused_rows = 0;
    ends_refused = false;
    refusal.clear();
  }

  Slab* slab = nullptr;
  std::vector<Row> rows;
  Parcel::Place begin;           // in the parcel that was the oldest without an answer
  std::size_t parcels_done = 0;  // whose last event is in here
  bool ends_refused = false;     // a row that is not sent comes next
  std::size_t written = 0;       // bytes at the socket
  std::size_t answers = 0;       // to MULTI, to each XADD, to EXEC
  std::size_t exec_left = 0;     // parts of EXEC's answer that are yet to come
  std::size_t refused_rows = 0;  // inside EXEC; `refusal` is about the first, `first_refused`
  std::size_t first_refused = 0;
  std::string refusal;
  SteadyTime since{};  // when it became the oldest
};

}  // namespace deltaforge::sinks::redis
