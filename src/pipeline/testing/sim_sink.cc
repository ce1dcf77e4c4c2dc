#include "pipeline/testing/sim_sink.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/testing/sim_processor.h"
#include "pipeline/testing/sim_rows.h"

namespace deltaforge::pipeline::testing {
namespace {

SimRow row_of(const Delivery& delivery, const Event& event) { return sim_row(*delivery.batch, event); }

bool of_stream(const Delivery& delivery) { return !delivery.batch->marks().empty(); }

}  // namespace

std::optional<Position> SimSink::open() {
  if (server_.down || world_.chance(10)) throw Error(ErrorKind::unavailable, "the simulated server is away");
  if (server_.held) return sim_position(*server_.held);
  return std::nullopt;
}

// A delivery holds whole transactions only; after a refused row the rest of one.
void SimSink::check_whole(const Delivery& delivery) const {
  if (world_.rows != nullptr) return;  // some are left out
  const Batch& batch = *delivery.batch;
  for (EventRange range : delivery.ranges) {
    const Commit& first = batch.commits()[batch.event(range.first).commit];
    const Commit& last = batch.commits()[batch.event(range.last - 1).commit];
    bool rest = server_.refused && row_of(delivery, batch.event(range.first)) == *server_.refused;
    if ((first.first != range.first && !rest) || last.last != range.last)
      world_.broken("a delivery cuts a transaction");
    for (std::uint32_t i = range.first; i < range.last; ++i)
      if (batch.event(i).tx_end != (i + 1 == batch.commits()[batch.event(i).commit].last))
        world_.broken("tx_end is not on the last event of the transaction");
  }
}

// What was delivered before a refused row is not sent again, and nothing is sent behind it.
void SimSink::check_begin(const Delivery& delivery) const {
  if (blocked_) world_.broken("a delivery was sent behind a refused row");
  if (!server_.refused || world_.rows != nullptr) return;
  bool first = true;
  delivery.for_each([&](std::uint32_t, const Event& event) {
    if (!first && row_of(delivery, event) == *server_.refused)
      world_.broken("rows before a refused one were sent again");
    first = false;
  });
}

// A row comes again only in the company that it had, whatever the limits of batches are by now; the rest after a
// refused row aside.
void SimSink::check_same(const Delivery& delivery) {
  if (!wants_same_deliveries() || delivery.ranges.empty()) return;
  const SimServer::Sent now{row_of(delivery, delivery.batch->event(delivery.ranges.front().first)),
                            row_of(delivery, delivery.batch->event(delivery.ranges.back().last - 1))};
  if (server_.refused && now.first == *server_.refused) return;
  for (const SimServer::Sent& before : server_.sent) {
    if (now.first > before.last || before.first > now.last) continue;
    if (now.first == before.first && now.last == before.last) {
      ++world_.same;
      return;
    }
    world_.broken(fmt::format("{}/{} to {}/{} are one delivery, once they were {}/{} to {}/{}", now.first.transaction,
                              now.first.row, now.last.transaction, now.last.row, before.first.transaction,
                              before.first.row, before.last.transaction, before.last.row));
  }
  server_.sent.push_back(now);
}

void SimSink::send(const Delivery& delivery, Receipt receipt) {
  check_whole(delivery);
  check_begin(delivery);
  check_same(delivery);
  sent_.push_back({&delivery, std::move(receipt)});
}

bool SimSink::poll() {
  if (server_.down) return false;
  if (!sent_.empty() && !blocked_) {
    Sent& front = sent_.front();
    if (world_.chance(3)) {  // an unknown outcome: whatever was written stays, the rest is given up
      failed();
      std::move(front.receipt).failed(Fault::retry("simulated"));
      sent_.pop_front();
      return false;
    }
    if (server_.holds_position)
      write_whole();
    else
      write_rows(front);
  }
  if (!acks_.empty() && world_.pick(2) == 0) {
    if (world_.chance(2)) {
      failed();
      acks_.pop_front();  // the client forgets the batch: its receipt says so
    } else if (!server_.holds_position && world_.chance(20) && acks_.size() > 1) {
      std::move(acks_.back()).delivered();  // answers may come in any order
      acks_.pop_back();
    } else {
      std::move(acks_.front()).delivered();
      acks_.pop_front();
    }
  }
  return (!sent_.empty() && !blocked_) || !acks_.empty();
}

void SimSink::failed() {
  if (world_.rows != nullptr) world_.rows->fault(server_);
}

// A row that cannot be delivered, before it is sent. True: somebody else has it.
bool SimSink::set_aside(const Delivery& delivery, std::uint32_t event) {
  return world_.pick(2) == 0 && delivery.set_aside({event, "too_large", "simulated"});
}

bool SimSink::refuses(const Delivery& delivery, const Event& event) const {
  return world_.rows != nullptr && world_.rows->refuses("sink:" + server_.id, row_of(delivery, event));
}

void SimSink::arrived(const Delivery& delivery, const Event& event) {
  if (world_.rows == nullptr) return world_.arrived(server_, row_of(delivery, event));
  world_.rows->arrived(server_, row_of(delivery, event), of_stream(delivery),
                       processed(event) == world_.rows->processors().size());
}

void SimSink::write_rows(Sent& sent) {
  std::vector<std::uint32_t> events;
  sent.delivery->for_each([&](std::uint32_t index, const Event&) { events.push_back(index); });
  for (unsigned n = 1 + world_.pick(8); n > 0 && sent.written < events.size(); --n, ++sent.written) {
    const Event& event = sent.delivery->batch->event(events[sent.written]);
    const bool refused = refuses(*sent.delivery, event);
    if (refused && set_aside(*sent.delivery, events[sent.written])) continue;
    if (refused || (world_.rows == nullptr && world_.pick(4) == 0 && world_.chance(2))) {
      server_.refused = row_of(*sent.delivery, event);
      std::move(sent.receipt).delivered_until({events[sent.written], "too_large", "simulated"});
      sent_.pop_front();
      blocked_ = true;
      return;
    }
    arrived(*sent.delivery, event);
  }
  if (sent.written < events.size()) return;
  acks_.push_back(std::move(sent.receipt));
  sent_.pop_front();
}

// Several deliveries may be one act; a row of theirs that is refused undoes all of it.
void SimSink::write_whole() {
  const std::size_t group = world_.rows == nullptr ? 1 : 1 + world_.pick(static_cast<unsigned>(sent_.size()));
  std::vector<std::pair<const Delivery*, std::uint32_t>> taken;
  for (std::size_t i = 0; i < group; ++i) {
    const Delivery& delivery = *sent_[i].delivery;
    std::optional<std::uint32_t> stuck;
    delivery.for_each([&](std::uint32_t index, const Event& event) {
      if (stuck) return;
      if (!refuses(delivery, event))
        taken.emplace_back(&delivery, index);
      else if (!set_aside(delivery, index))
        stuck = index;
    });
    if (!stuck) continue;
    blocked_ = true;
    return std::move(sent_[i].receipt).refused_for({*stuck, "too_large", "simulated"});
  }
  for (const auto& [delivery, index] : taken) arrived(*delivery, delivery->batch->event(index));
  world_.wrote(server_, end_of(sent_[group - 1].delivery->after));
  for (std::size_t i = 0; i < group; ++i) {
    acks_.push_back(std::move(sent_.front().receipt));
    sent_.pop_front();
  }
}

}  // namespace deltaforge::pipeline::testing
