// Where a run begins: what every sink has. Source thread.
#include <algorithm>

#include "core/plan.h"
#include "obs/log.h"
#include "pipeline/run.h"
#include "pipeline/state_keys.h"

namespace deltaforge::pipeline {

// The log no longer has what sinks need that were away, but all that the others need: those are lost, and the next run
// does without them. False: it is not so, or the source does not say.
bool Run::loses_held(const Start& start) {
  Start others = start;
  std::vector<StartPositions::SinkState> sinks;
  std::vector<Store::Entry> records;
  for (std::size_t i = 0; i < lanes_.size() && i < start.lanes.size(); ++i) {
    const std::string key = sink_key(spec_.source.id, lanes_[i]->id());
    auto hold = Hold::read(store_, key);
    const bool held = hold && !hold->lost && ledger_.may_detach(i);
    sinks.push_back({.id = lanes_[i]->id(), .lost = lanes_[i]->lost() || held});
    if (!held) continue;
    others.lanes[i] = Position();
    hold->lost = true;
    hold->why = "the end of the server's log";
    records.push_back({kHolds, key, hold->print()});
  }
  if (records.empty()) return false;
  others.meet = starts_.meet(sinks, start.lanes);
  if (others.meet.empty()) return false;
  PlanReport report;
  if (!report.check([&] { source_->plan(others, report); })) return false;
  if (std::ranges::any_of(report.findings(), [](const Finding& each) { return each.kind == Finding::Kind::problem; }))
    return false;
  store_.put(records);
  return true;
}

// Waits for the sinks that know their own positions, then finds where everyone stands. False: stopped meanwhile.
bool Run::prepare_start(std::stop_token stop, Start& start) {
  const SteadyTime patience = clock_.now() + Ledger::kDetachAfter;
  while (!all_open()) {
    const bool patient = clock_.now() < patience;
    if (!patient && leave_out_late()) continue;
    source_bell_.wait_until(patient ? patience : SteadyTime::max());
    if (stop.stop_requested()) return false;
  }
  std::vector<StartPositions::SinkState> sinks;
  for (const auto& lane : lanes_)
    sinks.push_back({lane->id(), lane->holds_position() && !lane->detached(), lane->held(), lane->lost()});
  start.lanes = starts_.find(sinks);
  start.meet = starts_.meet(sinks, start.lanes);
  if (start.meet.empty()) return true;
  begin_at(start.meet, start.lanes);
  log_.up_to(start.meet);
  for (std::size_t i = 0; i < lanes_.size(); ++i)
    if (lanes_[i]->lost()) start.lanes[i] = Position();
  return true;
}

// Of those whose position is asked for.
bool Run::all_open() const {
  return std::ranges::all_of(
      lanes_, [](const auto& lane) { return !lane->holds_position() || lane->opened() || lane->detached(); });
}

// Sinks that do not open are waited for no longer, where the policy allows: what is stored of their positions will do
// until they are back. False: there is none that may be left out.
bool Run::leave_out_late() {
  bool any = false;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    if (!lane.holds_position() || lane.opened() || lane.detached() || !ledger_.detach(i)) continue;
    obs::warn("sink detached: the run begins without it, for it does not open; its position is kept",
              {{"pipeline", spec_.name}, {"sink", lane.id()}});
    lane.stay_out();
    any = true;
  }
  checkpoint_bell_.ring();
  return any;
}

void Run::begin_at(const Position& meet, const std::vector<Position>& starts) {
  std::vector<Position> in_use = starts;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    ledger_.begin(i, starts[i]);
    lanes_[i]->begin(starts[i]);
    if (lanes_[i]->lost()) in_use[i] = Position();
  }
  holds_.begin(in_use);
  reread_.begin(meet, std::move(in_use));
  transform_.begin(meet);
  intake_.begin_at(meet);
  for (const SinkMaker& sink : spec_.sinks)
    intake_.repeat(read_stretches(store_, sink_key(spec_.source.id, sink.id)), spec_.name);
}

}  // namespace deltaforge::pipeline
