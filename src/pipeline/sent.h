// What one sink was sent and may be sent again, in the store before the first byte of it goes out. Only for sinks that
// ask for it (Sink::wants_same_deliveries).
//
// A stretch is kept until the checkpoint behind it is stored, not merely until the sink has answered: a restart goes on
// from that checkpoint. It leaves with the next write, so there are as many as batches may be sent between two
// checkpoints.
//
// Lane thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/position.h"
#include "core/store.h"
#include "pipeline/stretch.h"

namespace deltaforge::pipeline {

class Sent {
 public:
  // Throws Error{storage}.
  Sent(Store& store, std::string key, const PositionAlgebra& algebra);

  // It is about to be sent; `end` is the mark of its last transaction. One that is there already stays as it is.
  void add(const Stretch&, const Mark& end);
  // All of them have reached the disk when it returns, with one write, or none where nothing is new. `durable`: the
  // sink's checkpoint that is stored. Throws Error{storage}: nothing of what was added may be sent yet.
  void store(const Position& durable);

 private:
  struct Entry {
    Stretch stretch;
    std::optional<Mark> end;  // none: of an earlier run, and not met in this one
  };

  Store& store_;
  const std::string key_;
  const PositionAlgebra& algebra_;
  std::vector<Entry> entries_;  // as they were sent
  bool is_new_ = false;         // some are not stored yet
};

}  // namespace deltaforge::pipeline
