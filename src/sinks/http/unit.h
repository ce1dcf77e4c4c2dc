// What an HTTP sink has under way. All of it belongs to the lane thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/event_cursor.h"

namespace deltaforge::sinks::http {

// A delivery, and how far it has been cut into units.
struct Parcel {
  Parcel(const Delivery& delivery, Receipt answer, std::uint64_t nth)
      : uncut(delivery), batch(&*delivery.batch), receipt(std::move(answer)), number(nth) {}

  Receipt take_receipt() { return *std::exchange(receipt, std::nullopt); }

  EventCursor uncut;
  const Batch* batch;
  std::optional<Receipt> receipt;
  std::uint64_t number;  // among all of this sink
  std::size_t open = 0;  // units without an answer
};

// Where an event stands among all that the sink was given.
struct Place {
  std::uint64_t parcel;
  std::uint32_t event;
  auto operator<=>(const Place&) const = default;
};

// What is sent together: one event, or in batch_mode an array of them. A refused array is sent in parts.
struct Unit {
  std::uint32_t number = 0;  // in the pool
  Parcel* parcel = nullptr;
  std::vector<std::uint32_t> events;  // ascending
  std::size_t done = 0;               // of these, taken by the server
  std::size_t at_once = 0;            // so many of the rest may go in one request
  std::size_t sent = 0;               // so many are under way
  std::uint32_t waits_for = 0;        // units with one of its keys that go first
  unsigned attempts = 0;              // of the request that is next, without success

  Place next() const { return {parcel->number, events[done]}; }
  bool before(const Unit& other) const { return next() < other.next(); }
};

struct Refusal {
  std::string_view kind;
  std::string reason;
};

}  // namespace deltaforge::sinks::http
