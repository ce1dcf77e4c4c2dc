// A simulated sink's client. Rows reach the server one by one (or, for sinks that hold positions, as one act with the
// position); answers come late, get lost, or say that nothing is known.
#pragma once

#include <deque>
#include <memory>

#include "core/sink.h"
#include "pipeline/testing/sim_world.h"

namespace deltaforge::pipeline::testing {

class SimSink final : public Sink {
 public:
  SimSink(SimWorld& world, SimServer& server) : world_(world), server_(server), window_(1 + world.pick(4)) {}
  ~SimSink() override {
    if (!acks_.empty()) failed();  // what they stand for is sent again
  }
  std::optional<Position> open() override;
  bool holds_position() const override { return server_.holds_position; }
  // With a journal rows are left out of deliveries: nothing is promised, and nothing asked for.
  bool wants_same_deliveries() const override { return server_.same_deliveries && world_.rows == nullptr; }
  std::size_t window() const override { return window_; }
  void send(const Delivery&, Receipt) override;
  bool poll() override;

 private:
  struct Sent {
    const Delivery* delivery;
    Receipt receipt;
    std::uint32_t written = 0;  // events of it that reached the server
  };
  void write_rows(Sent&);
  void write_whole();
  bool set_aside(const Delivery&, std::uint32_t event);
  bool refuses(const Delivery&, const Event&) const;
  void arrived(const Delivery&, const Event&);
  void failed();
  void check_whole(const Delivery&) const;
  void check_begin(const Delivery&) const;
  void check_same(const Delivery&);

  SimWorld& world_;
  SimServer& server_;
  const std::size_t window_;
  bool blocked_ = false;      // refused a row: writes nothing more
  std::deque<Sent> sent_;     // not yet completely written
  std::deque<Receipt> acks_;  // written, not yet answered
};

}  // namespace deltaforge::pipeline::testing
