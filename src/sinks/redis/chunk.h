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
#include "core/event_cursor.h"

namespace deltaforge::sinks::redis {

// A delivery, and how far it has been encoded.
class Parcel {
 public:
  Parcel(const Delivery& delivery, Receipt receipt)
      : unsent(delivery), delivery_(&delivery), receipt_(std::move(receipt)) {}

  EventCursor unsent;

  // Of the next event's transaction, no fewer than the rows from it on.
  std::size_t left_of_transaction() const { return batch().commits()[unsent.event().commit].last - unsent.index(); }
  const Batch& batch() const { return *delivery_->batch; }
  Receipt take_receipt() { return *std::exchange(receipt_, std::nullopt); }
  bool answered() const { return !receipt_; }

 private:
  const Delivery* delivery_;
  std::optional<Receipt> receipt_;
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
  void reset(Slab* new_slab, EventCursor::Place first) {
    slab = new_slab;
    rows.clear();
    begin = first;
    parcels_done = written = answers = exec_left = refused_rows = 0;
    ends_refused = false;
    refusal.clear();
  }

  Slab* slab = nullptr;
  std::vector<Row> rows;
  EventCursor::Place begin;      // in the parcel that was the oldest without an answer
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
