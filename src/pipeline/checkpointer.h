// Makes positions durable, then lets the source go on: all sinks that moved in one store transaction, then
// release(meet). Whatever fails here only delays the release. One checkpoint thread per pipeline calls step().
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/position.h"
#include "core/store.h"
#include "pipeline/ledger.h"

namespace deltaforge::pipeline {

class Checkpointer {
 public:
  struct Parts {
    Ledger& ledger;
    Store& store;
    const PositionCodec& codec;
    const PositionAlgebra& algebra;
    std::function<void(const Position&)> release;  // to the source
    std::string source_id;
    std::vector<std::string> sink_ids;
    std::function<void()> on_stored;  // after each store transaction
  };
  explicit Checkpointer(Parts parts);

  // Stores what has moved and releases. Throws Error{storage}; what it could not store is tried again by the next
  // step(). False: nothing had moved.
  bool step();

 private:
  void write();

  Parts parts_;
  std::vector<Position> moved_;
  bool pending_ = false;  // moved_ could not be stored yet
  std::vector<Store::Entry> entries_;
};

}  // namespace deltaforge::pipeline
