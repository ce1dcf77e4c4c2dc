// Where each sink stands when a run begins, and what the store keeps for it: the position that a
// sink holds itself wins over the local one, absent is never zero.
//
//   sink holds one        local checkpoint   origin     ->  start
//   yes                   any                any            the sink's own
//   no, though it could   yes                any            halt: sink state missing
//   cannot / no           yes / no           any / yes      local checkpoint, else origin
//   no                    no                 no             a new sink: the meet of the others; none has one: first run
//
// "The others" are those that are not lost.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/position.h"
#include "core/store.h"

namespace deltaforge::pipeline {

class StartPositions {
 public:
  struct SinkState {
    std::string id;
    bool holds_position = false;
    std::optional<Position> held;  // what open() returned
    bool lost = false;             // see hold.h: nobody looks at where it stands
  };

  StartPositions(Store& store, const PositionCodec& codec, const PositionAlgebra& algebra, std::string source_id)
      : store_(store), codec_(codec), algebra_(algebra), source_id_(std::move(source_id)) {}

  // One position per sink, of a lost one the last that is known; all empty at the first run. Throws Error{sink_state}.
  std::vector<Position> find(const std::vector<SinkState>& sinks);
  // Where a run begins: what all of them have, lost ones aside.
  Position meet(const std::vector<SinkState>&, const std::vector<Position>&) const;
  // The first run begins here, for these sinks. Durable when it returns.
  void begin_at(const Position&, const std::vector<std::string>& sink_ids);

 private:
  Store& store_;
  const PositionCodec& codec_;
  const PositionAlgebra& algebra_;
  const std::string source_id_;
};

// Forgets the positions that an operator removed while the process was down (Store::resets), so that they start
// afresh. `key`: "{source}::sink::{sink}" or "{source}" for all of its sinks.
void apply_reset(Store& store, const std::string& key);
// The same, without a word; and with all else that is kept of these sinks.
void forget_positions(Store& store, const std::string& key);
void forget_all(Store& store, const std::string& key);

}  // namespace deltaforge::pipeline
