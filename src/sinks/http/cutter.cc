#include "sinks/http/cutter.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/hash.h"

namespace deltaforge::sinks::http {
namespace {

bool is_barrier(const Event& event) { return event.op == Op::truncate; }

}  // namespace

bool Cutter::cut(std::deque<Parcel>& parcels, std::vector<Unit*>& ready) {
  if (live_ == 0) barrier_ = false;
  if (barrier_ || ahead_ >= kAhead) return false;
  const auto next =
      std::find_if(parcels.begin(), parcels.end(), [](const Parcel& parcel) { return !parcel.uncut.at_end(); });
  if (next == parcels.end()) return false;
  if (is_barrier(next->uncut.event())) {
    if (live_ > 0) return false;
    barrier_ = true;
    cut_one(*next, ready);
    return true;
  }
  if (arrays_)
    cut_arrays(*next, ready);
  else
    cut_one(*next, ready);
  return true;
}

void Cutter::finish(Unit& unit, std::vector<Unit*>& ready) {
  step_aside(unit, ready);
  --unit.parcel->open;
  --live_;
  ahead_ -= unit.events.size();
  unit.parcel = nullptr;
  idle_.push_back(unit.number);
}

void Cutter::step_aside(Unit& unit, std::vector<Unit*>& ready) {
  order_.leave(unit.number, [&](std::uint32_t next) {
    if (--units_[next]->waits_for == 0) ready.push_back(units_[next].get());
  });
}

Unit& Cutter::take(Parcel& parcel) {
  if (idle_.empty()) {
    idle_.push_back(static_cast<std::uint32_t>(units_.size()));
    units_.push_back(std::make_unique<Unit>());
  }
  Unit& unit = *units_[idle_.back()];
  unit.number = idle_.back();
  idle_.pop_back();
  unit.parcel = &parcel;
  unit.events.clear();
  unit.done = unit.sent = 0;
  unit.at_once = kLongestArray;
  unit.waits_for = 0;
  unit.attempts = 0;
  ++parcel.open;
  ++live_;
  return unit;
}

void Cutter::enter(Unit& unit, std::uint64_t key) {
  if (order_.last(key) == unit.number) return;
  if (order_.enter(key, unit.number)) ++unit.waits_for;
}

void Cutter::add(Unit& unit, std::uint32_t index) {
  const Event& event = unit.parcel->batch->event(index);
  unit.events.push_back(index);
  ++ahead_;
  enter(unit, writer_.key_of(event));
  if (event.op == Op::update) enter(unit, writer_.old_key_of(event));
}

void Cutter::cut_one(Parcel& parcel, std::vector<Unit*>& ready) {
  Unit& unit = take(parcel);
  add(unit, parcel.uncut.index());
  parcel.uncut.pass();
  if (unit.waits_for == 0) ready.push_back(&unit);
}

void Cutter::cut_arrays(Parcel& parcel, std::vector<Unit*>& ready) {
  open_.clear();
  filled_.clear();
  for (std::size_t i = 0; i < kScan && !parcel.uncut.at_end(); ++i, parcel.uncut.pass()) {
    const Event& event = parcel.uncut.event();
    if (is_barrier(event)) break;
    add(array_for(parcel, event), parcel.uncut.index());
  }
  for (Unit* unit : filled_)
    if (unit->waits_for == 0) ready.push_back(unit);
}

// The array that the event joins: the open one of its group, unless another array of its URL was begun since, or one of
// its keys stands in a later array already.
Unit& Cutter::array_for(Parcel& parcel, const Event& event) {
  const std::string& group = writer_.group_of(event);
  const std::uint64_t url = xxh3_64(as_bytes(RequestWriter::url_of(group)));
  const auto found = open_.find(group);
  if (found != open_.end() && !group.empty() && found->second->events.size() < kLongestArray) {
    Unit& unit = *found->second;
    const auto fits = [&](std::uint64_t key) {
      const std::uint32_t last = order_.last(key);
      return last == KeyOrder::kNobody || last == unit.number || units_[last]->parcel != &parcel ||
             units_[last]->events.front() < unit.events.front();
    };
    const std::uint64_t key = writer_.key_of(event);
    if (order_.last(url) == unit.number && fits(key) && (event.op != Op::update || fits(writer_.old_key_of(event))))
      return unit;
  }
  Unit& fresh = take(parcel);
  enter(fresh, url);
  open_[group] = &fresh;
  filled_.push_back(&fresh);
  return fresh;
}

}  // namespace deltaforge::sinks::http
