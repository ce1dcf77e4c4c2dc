// A stand-in for the pipeline's lane: gives a sink its context, sends, polls, and records what the receipts say.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/slab.h"
#include "core/sink.h"
#include "sinks/testing/batch_builder.h"

namespace deltaforge::sinks::testing {

struct Answer {
  BatchSeq seq;
  Outcome outcome;
  bool delivered() const { return !outcome.fault && !outcome.refused; }
};

// Must outlive its sinks: destroy the sink first.
class Lane final : public ReceiptBook {
 public:
  SinkContext context();

  // The delivery must live until it is answered or the sink is gone.
  void send(Sink& sink, const Delivery& delivery);
  // Polls as a lane does until every delivery sent so far is answered. False: the time is over.
  bool drain(Sink& sink, std::chrono::milliseconds patience = std::chrono::seconds(20));
  // The same, or until a row is refused: what is behind it has no answer then.
  bool drain_or_block(Sink& sink, std::chrono::milliseconds patience);
  // Sends and drains; the answer to this delivery.
  Answer deliver(Sink& sink, const Delivery& delivery);

  // In the order in which they came. Any thread.
  std::vector<Answer> answers() const;
  std::size_t sent() const { return sent_; }
  std::uint64_t bytes() const;
  std::string trouble() const;

  void complete(std::uint64_t generation, BatchSeq, Outcome&&) noexcept override;

 private:
  void wake();
  bool poll_until(Sink&, std::chrono::milliseconds patience, const std::function<bool()>& done);
  bool all_answered() const;
  bool blocked() const;

  SlabPool slabs_;
  NumberCodec codec_;
  std::size_t sent_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  std::vector<Answer> answers_;
  std::uint64_t bytes_ = 0;
  std::string trouble_;
  std::string note_;  // see SinkContext::remember
};

}  // namespace deltaforge::sinks::testing
