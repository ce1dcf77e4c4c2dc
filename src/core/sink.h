// Sinks: they take frozen batches and answer each with a receipt. Everything here runs on the sink's lane thread,
// except what a client library's callback does with a Receipt.
//
// A sink never retries a batch itself. When a receipt says `failed`, the lane destroys the sink, waits (back-off),
// builds a new one, asks open() where it stands, and sends again from the first batch that is not delivered. So a
// sink's destructor must drop what is in flight without waiting, and late answers are harmless (Receipt).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/slab.h"
#include "config/sink_filter.h"
#include "core/batch.h"
#include "core/encoder.h"
#include "core/position.h"

namespace deltaforge {

class PlanReport;

// A row that the far side, or the encoder, refuses.
struct Reject {
  std::uint32_t event;  // index in the batch
  std::string kind;     // "serialization", "routing", "too_large", "rejected" by the far side; "processor"
  std::string reason;   // names the field or limit
};

// Why a batch was not accepted. `retry`: the lane sends it again, with back-off, in order, for ever. `fatal`: the
// pipeline cannot go on with this sink; `kind` says how the supervisor treats it.
struct Fault {
  bool fatal = false;
  ErrorKind kind = ErrorKind::unavailable;
  std::string message;
  std::string hint;

  static Fault retry(std::string message, std::string hint = {}) {
    return {false, ErrorKind::unavailable, std::move(message), std::move(hint)};
  }
  static Fault stop(ErrorKind kind, std::string message, std::string hint = {}) {
    return {true, kind, std::move(message), std::move(hint)};
  }
};

struct Outcome {
  std::optional<Fault> fault;  // nothing may be assumed of the batch
  // The row itself and everything behind it, later batches too, was not sent. What stands before it is delivered, or
  // with `undone` nothing of the batch is.
  std::optional<Reject> refused;
  bool undone = false;
};

class ReceiptBook {
 public:
  virtual ~ReceiptBook() = default;
  // Any thread. `generation` is that of the sink's client: answers of a purged one are ignored.
  virtual void complete(std::uint64_t generation, BatchSeq, Outcome&&) noexcept = 0;
};

// The duty to say what became of a batch. Destroyed unused it says "failed, try again".
class Receipt {
 public:
  Receipt(ReceiptBook& book, std::uint64_t generation, BatchSeq seq)
      : book_(&book), generation_(generation), seq_(seq) {}
  Receipt(Receipt&& other) noexcept
      : book_(std::exchange(other.book_, nullptr)), generation_(other.generation_), seq_(other.seq_) {}
  Receipt& operator=(Receipt&& other) noexcept {
    if (this != &other) {
      abandon();
      book_ = std::exchange(other.book_, nullptr);
      generation_ = other.generation_;
      seq_ = other.seq_;
    }
    return *this;
  }
  ~Receipt() { abandon(); }

  void delivered() && { finish({}); }
  // What stands before the refused row is delivered, what stands behind it was not sent. From here on this sink sends
  // nothing more; the next one is asked to begin with that row.
  void delivered_until(Reject refused) && { finish({{}, std::move(refused)}); }
  // The same of a sink that takes a batch as a whole: because of this row it has taken nothing of it.
  void refused_for(Reject refused) && { finish({{}, std::move(refused), true}); }
  void failed(Fault fault) && { finish({std::move(fault), {}}); }

 private:
  void finish(Outcome&& outcome) { std::exchange(book_, nullptr)->complete(generation_, seq_, std::move(outcome)); }
  void abandon() {
    if (book_ != nullptr) finish({Fault::retry("the sink gave up the batch without an answer"), {}});
  }

  ReceiptBook* book_;
  std::uint64_t generation_;
  BatchSeq seq_;
};

struct EventRange {
  std::uint32_t first, last;  // [first, last)
};

struct Delivery;

// Takes single rows over that cannot be delivered.
class RejectDesk {
 public:
  virtual ~RejectDesk() = default;
  // True: the row is somebody else's now, durably; the sink passes it. False: it must be answered as refused.
  virtual bool set_aside(const Delivery&, const Reject&) = 0;
};

// What is asked of a sink. Lives in the lane until the receipt has been completed or the sink was destroyed.
struct Delivery {
  BatchRef batch;
  // The events of the commits that this lane does not have yet, also those that it does not want. Ascending. After a
  // refused row: from that row on.
  std::vector<EventRange> ranges;
  const config::SinkFilter* filter = nullptr;  // the sink's; null: it takes all
  // Where the lane stands once this is delivered.
  Position after;
  RejectDesk* desk = nullptr;

  // For a row that was found out before it was sent; lane thread, inside poll().
  bool set_aside(const Reject& reject) const { return desk != nullptr && desk->set_aside(*this, reject); }

  // Whether the sink is to send this event.
  bool wants(const Event& event) const {
    if (event.dropped) return false;
    return filter == nullptr || filter->passes(event.extra != nullptr ? event.extra->synthetic : std::string_view());
  }

  template <class F>
  void for_each(F&& f) const {
    for (EventRange range : ranges)
      for (std::uint32_t i = range.first; i < range.last; ++i)
        if (const Event& event = batch->event(i); wants(event)) f(i, event);
  }
};

struct SinkContext {
  std::string pipeline;
  std::string tenant;
  SlabPool* slabs = nullptr;
  const PositionCodec* positions = nullptr;
  std::function<void()> wake;                            // any thread: have the lane call poll() again
  std::function<void(std::uint64_t bytes)> count_bytes;  // encoded bytes handed over; per slab, not per event
  // Any thread: why nothing moves just now ("all brokers are down"); shown while a batch is overdue.
  std::function<void(std::string why)> trouble;
  // Lane thread: the far side is not to be asked before this time, by whatever sink comes after this one either.
  std::function<void(SteadyTime)> hold_off;
  // Lane thread: a text of the sink's own that outlives the process, empty until the first remember(); on the disk when
  // that returns. It goes with the sink's positions. Both throw Error{storage}.
  std::function<std::string()> recall;
  std::function<void(std::string_view)> remember;
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Connects, fences other writers, recovers. Returns the position that the sink itself holds, if it is one that
  // can; nullopt when it holds none. Throws Error (unavailable: the lane tries again). Called once per object.
  virtual std::optional<Position> open() = 0;
  // What open() would find, and returns, changing nothing: no fence, no recovery, no file, no topic. Every wait 10 s at
  // most. Instead of open(), any thread. What it throws is a problem, too.
  virtual std::optional<Position> plan(PlanReport&) { return std::nullopt; }
  // Positions are durable in the sink itself, in the same act as the batch. Such a sink is sent empty deliveries too.
  virtual bool holds_position() const { return false; }
  // What it sends together depends on where deliveries begin and end: what may be sent again comes in the same
  // deliveries again, also to the next process (pipeline/sent.h).
  virtual bool wants_same_deliveries() const { return false; }
  // Batches that it can take before the first is answered (>= 1).
  virtual std::size_t window() const { return 1; }
  // How long a batch may take before the pipeline is shown as degraded.
  virtual std::chrono::milliseconds patience() const { return std::chrono::seconds(5); }
  // Queues the delivery; never blocks. Deliveries arrive in commit order and are answered in any order.
  virtual void send(const Delivery&, Receipt) = 0;
  // Moves on by about one slab. True: call again at once. False: nothing to do until a send() or a wake().
  virtual bool poll() = 0;
};

}  // namespace deltaforge
