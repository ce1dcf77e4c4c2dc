// A place in a lane: a batch of the stream, or a replay, on its way to the sink. Lane thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/sink.h"
#include "pipeline/replay.h"
#include "pipeline/stretch.h"

namespace deltaforge::pipeline {

struct Slot {
  // `held`: of its rows some must wait behind a dead letter, which could not be stored.
  enum class State { unsent, sending, refused, held, delivered };

  Delivery delivery;
  State state = State::unsent;
  Stretch stretch;               // of what the sink did not have yet
  Mark stretch_end;              // of its last transaction
  bool whole = false;            // see Lane::offer()
  bool skipped = false;          // nothing of it was new to the sink
  bool begun = false;            // delivered up to a row that was refused; `ranges` begin with that row, or behind it
  std::optional<Replay> replay;  // it is none of the stream's; nothing is covered and no position moves
  std::vector<std::uint32_t> set_aside;       // rows that are dead letters
  std::vector<std::uint32_t> waiting;         // rows that wait behind one: for good, they come again as a release
  std::string why;                            // of a replay: about the first of the rows set aside
  std::optional<Reject> reject;               // of `refused`
  bool undone = false;                        // of `refused`: nothing of the batch was taken
  std::uint64_t events = 0;                   // that are at the sink, or to be sent
  SteadyTime since{}, sent_at{}, again_at{};  // when it was taken; last attempt; next look
};

}  // namespace deltaforge::pipeline
