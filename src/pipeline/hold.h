// Holds: what the source's log is kept for. A sink that detaches gets a record in the store; it goes when the sink has
// caught up with the others, also in a later run. Reaches one its limit while the sink is detached, the sink is lost:
// for good, whatever restarts, until it is taken out of the pipeline. The record is written first, then the log let go.
//
// Time is counted from the first detaching, by the wall clock. Bytes are not stored: what the source has passed in this
// run since the sink's share of it ended, for a run begins where the slowest stands and reads the rest again.
//
// Owned by a run. step() belongs to the checkpoint thread, begin() to the source's; the questions to any.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/component.h"
#include "core/position.h"
#include "core/store.h"
#include "pipeline/ledger.h"
#include "pipeline/probe.h"

namespace deltaforge::pipeline {

struct Hold {
  std::int64_t since = 0;  // Unix seconds
  bool lost = false;
  std::string why;  // of a lost one: which limit was reached

  std::string print() const;
  // Nothing: there is none. Throws Error{storage}.
  static std::optional<Hold> read(Store&, const std::string& key);
  // What people are told of a lost one: what happened, and the remedy.
  std::string message() const;
  static const char* remedy();
};

class Holds {
 public:
  struct Parts {
    Store& store;
    Ledger& ledger;
    const PositionAlgebra& algebra;
    const Clock& clock;
    std::string pipeline, source_id;
    const std::vector<SinkMaker>& sinks;
    std::function<std::uint64_t()> passed;         // bytes of the log that the source has passed in this run
    std::function<void(std::size_t sink)> lost;    // one is lost from here on
    std::function<void(const Position&)> release;  // the source may discard this much
  };
  // Takes those that are lost already out of the ledger. Throws Error{storage}; Error{sink_state} when the commit
  // policy cannot do without one of them.
  explicit Holds(Parts);

  // The run begins, with the sinks there.
  void begin(const std::vector<Position>&);
  // Looks at every sink. Returns when it wants to be called again at the latest. Throws Error{storage}.
  SteadyTime step();

  bool is_lost(std::size_t sink) const { return parts_.ledger.is_lost(sink); }
  std::optional<std::string> message(std::size_t sink) const;  // of a lost one

 private:
  struct Entry {
    std::optional<Hold> hold;
    std::optional<std::uint64_t> base;  // what had been passed when it was detached
    HoldProbe probe;
  };
  std::string key(std::size_t sink) const;
  void store(std::size_t sink, Hold);
  void watch(std::size_t sink);
  bool has_caught_up(std::size_t sink) const;
  void lose(std::size_t sink, std::string why);

  Parts parts_;
  mutable std::mutex mutex_;  // guards what follows; only the checkpoint thread changes `entries_`
  std::vector<Entry> entries_;
  std::vector<Position> starts_;
};

}  // namespace deltaforge::pipeline
