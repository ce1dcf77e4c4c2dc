// Where batches must end so that what may be sent again comes in the same deliveries as before: the stretches of all
// sinks that asked for it. While one is open no batch is cut, whatever its limits say: it was one batch before, too.
//
// A stretch that cannot be found again is given up, never waited for: its last transaction is gone (another server,
// other tables), or the stream has nothing more. Then batches are cut as if nothing had been sent.
//
// Source thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "pipeline/stretch.h"

namespace deltaforge::pipeline {

class Recut {
 public:
  static constexpr auto kPatience = std::chrono::seconds(10);

  // `name`: for the log.
  void begin(std::span<const Stretch>, std::string name);
  // A transaction with rows was taken in. True: the batch ends here.
  bool passed(const Hash128& transaction);
  // The batch must not end here.
  bool is_open() const { return !open_.empty(); }
  // The stream is empty just now, or (false) it is not known: only while it is, patience runs out.
  void is_drained(bool drained, SteadyTime now);
  // SteadyTime::max(): patience does not run out.
  SteadyTime gives_up_at() const { return drained_at_ ? *drained_at_ + kPatience : SteadyTime::max(); }
  void give_up();

 private:
  struct Open {
    Hash128 last;
    std::uint32_t left;  // transactions, the last one among them
  };
  struct Key {
    std::size_t operator()(const Hash128&) const;
  };

  std::string name_;
  std::unordered_multimap<Hash128, Stretch, Key> ahead_;  // by their first transaction
  std::vector<Open> open_;
  std::optional<SteadyTime> drained_at_;
  bool told_ = false;
};

}  // namespace deltaforge::pipeline
