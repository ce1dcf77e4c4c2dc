// What a Kafka sink has under way. All of it belongs to the lane thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/slab.h"
#include "core/event_cursor.h"

struct rd_kafka_topic_s;

namespace deltaforge::sinks::kafka {

// A delivery on its way, and what is known of its rows so far.
struct Parcel {
  Parcel(const Delivery& delivery, Receipt receipt_in)
      : batch(&*delivery.batch), unsent(delivery), receipt(std::move(receipt_in)) {}

  bool done() const { return (unsent.at_end() || refused) && open == 0; }
  // Answers the lane. Only a batch that is done().
  void complete() {
    if (refused)
      std::move(*receipt).delivered_until(std::move(*refused));
    else
      std::move(*receipt).delivered();
    receipt.reset();
  }

  const Batch* batch;
  EventCursor unsent;
  std::optional<Receipt> receipt;  // none: answered
  std::size_t open = 0;            // rows encoded and not yet reported on
  std::optional<Reject> refused;   // nothing from this row on is sent
};

// One slab at the client. It is lent until the last of its rows has been reported on.
struct Shipment {
  struct Row {
    std::size_t key_at, value_at, headers_at, end;  // each part ends where the next begins
    std::uint32_t event;
    std::uint32_t more;                                       // bytes of headers that do not lie here
    rd_kafka_topic_s* topic;                                  // null: the configured one
    std::size_t limit;                                        // of that topic; 0: not known, or the configured one's
    const Event* with_headers;                                // that a processor gave it; null: none
    std::size_t size() const { return end - key_at + more; }  // what the limits are about
  };

  // The event of a message, by where its value lies.
  std::uint32_t event_at(const void* value) const {
    auto offset = static_cast<std::size_t>(static_cast<const char*>(value) - slab->data());
    auto row = std::partition_point(rows.begin(), rows.end(), [=](const Row& r) { return r.value_at < offset; });
    return row->event;
  }

  Slab* slab = nullptr;
  Parcel* parcel = nullptr;
  std::vector<Row> rows;
  std::size_t handed = 0;  // rows that the client has taken
  std::size_t open = 0;    // rows not yet reported on
};

}  // namespace deltaforge::sinks::kafka
