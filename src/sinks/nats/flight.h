// What a NATS sink has under way. All of it belongs to the lane thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "core/event_cursor.h"
#include "sinks/nats/streams.h"

namespace deltaforge::sinks::nats {

// A delivery, and how far it has been sent.
class Parcel {
 public:
  Parcel(const Delivery& delivery, Receipt receipt)
      : unsent(delivery), delivery_(&delivery), receipt_(std::move(receipt)) {}

  EventCursor unsent;
  std::size_t open = 0;  // events that were sent and are not known to be stored

  const Batch& batch() const { return *delivery_->batch; }
  Receipt take_receipt() { return *std::exchange(receipt_, std::nullopt); }
  bool answered() const { return !receipt_; }

 private:
  const Delivery* delivery_;
  std::optional<Receipt> receipt_;
};

struct Sent {
  enum class State : std::uint8_t { waiting, stored, refused };

  Parcel* parcel = nullptr;
  std::uint32_t event = 0;
  State state = State::waiting;
  bool ordered = false;   // it told the stream what it must follow,
  bool by_chain = false;  // and that by the message before it only
  std::uint32_t size = 0;
  Stream* stream = nullptr;
  std::uint64_t expected = 0;  // the last sequence that it told
  std::uint64_t subject = 0;   // hash
};

// Messages by their number, which counts from 1 and never comes again. A ring.
class Flight {
 public:
  static constexpr std::size_t kMost = 4096;  // a power of two
  static constexpr std::size_t kMostBytes = 2 * 1024 * 1024;

  Flight() : ring_(kMost) {}

  // Until the oldest has an answer there may be room for none.
  bool full() const { return next_ - first_ == kMost || bytes_ >= kMostBytes; }
  std::size_t waiting() const { return waiting_; }
  std::uint64_t next_number() const { return next_; }

  void add(const Sent& message) {
    at(next_++) = message;
    ++waiting_;
    bytes_ += message.size;
  }
  // Null: it is not under way any more, or has its answer.
  Sent* find(std::uint64_t number) {
    if (number < first_ || number >= next_ || at(number).state != Sent::State::waiting) return nullptr;
    return &at(number);
  }
  void answer(Sent& message, Sent::State state) {
    message.state = state;
    --waiting_;
    bytes_ -= message.size;
    while (first_ < next_ && at(first_).state == Sent::State::stored) ++first_;
  }
  // Those that were refused, in order, when nothing waits; then it is empty.
  template <class F>
  void drain_refused(F&& f) {
    for (; first_ < next_; ++first_)
      if (at(first_).state == Sent::State::refused) f(at(first_));
  }

 private:
  Sent& at(std::uint64_t number) { return ring_[number & (kMost - 1)]; }

  std::vector<Sent> ring_;
  std::uint64_t first_ = 1, next_ = 1;
  std::size_t waiting_ = 0, bytes_ = 0;
};

}  // namespace deltaforge::sinks::nats
