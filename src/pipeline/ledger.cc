#include "pipeline/ledger.h"

#include <algorithm>
#include <utility>

namespace deltaforge::pipeline {

Ledger::Ledger(std::size_t sinks, const PositionAlgebra& algebra, CommitRule rule, const Clock& clock)
    : algebra_(algebra), rule_(std::move(rule)), clock_(clock), entries_(sinks) {}

void Ledger::begin(std::size_t index, const Position& position) {
  std::lock_guard lock(mutex_);
  entries_[index].delivered = position;
  entries_[index].durable = position;
}

void Ledger::delivered(std::size_t index, const Position& position) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[index];
  entry.delivered = position;
  entry.dirty = entry.has_delivered = true;
}

bool Ledger::take(std::vector<Position>& moved) {
  std::lock_guard lock(mutex_);
  moved.resize(entries_.size());
  bool any = false;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].dirty) {
      moved[i] = Position();
      continue;
    }
    moved[i] = entries_[i].delivered;
    entries_[i].dirty = false;
    any = true;
  }
  storing_ = storing_ || any;
  return any;
}

const Position& Ledger::stored(const std::vector<Position>& moved) {
  std::lock_guard lock(mutex_);
  storing_ = false;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (moved[i].empty()) continue;
    entries_[i].durable = moved[i];
    entries_[i].moved = true;
    entries_[i].moved_at = clock_.now();
  }
  return release();
}

const Position& Ledger::release() {
  bool first = true;
  for (const Entry& entry : entries_) {
    if (entry.lost) continue;
    release_ = std::exchange(first, false) ? entry.durable : algebra_.meet(release_, entry.durable);
  }
  return release_;
}

const Position& Ledger::lose(std::size_t index) {
  std::lock_guard lock(mutex_);
  entries_[index].attached = false;
  entries_[index].lost = true;
  return release();
}

bool Ledger::clean() const {
  std::lock_guard lock(mutex_);
  return !storing_ && std::none_of(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.dirty; });
}

bool Ledger::may_detach(std::size_t index) const {
  std::lock_guard lock(mutex_);
  return rule_.may_detach(index, attached());
}

bool Ledger::detach(std::size_t index) {
  std::lock_guard lock(mutex_);
  if (!rule_.may_detach(index, attached())) return false;
  entries_[index].attached = false;
  return true;
}

std::vector<bool> Ledger::attached() const {
  std::vector<bool> attached;
  for (const Entry& entry : entries_) attached.push_back(entry.attached);
  return attached;
}

bool Ledger::is_detached(std::size_t index) const {
  std::lock_guard lock(mutex_);
  return !entries_[index].attached;
}

bool Ledger::is_lost(std::size_t index) const {
  std::lock_guard lock(mutex_);
  return entries_[index].lost;
}

bool Ledger::satisfied() const {
  std::lock_guard lock(mutex_);
  return rule_.satisfied(attached());
}

bool Ledger::has_delivered(std::size_t index) const {
  std::lock_guard lock(mutex_);
  return entries_[index].has_delivered;
}

Position Ledger::durable(std::size_t index) const {
  std::lock_guard lock(mutex_);
  return entries_[index].durable;
}

double Ledger::age_seconds(std::size_t index) const {
  std::lock_guard lock(mutex_);
  if (!entries_[index].moved) return -1;
  return std::chrono::duration<double>(clock_.now() - entries_[index].moved_at).count();
}

}  // namespace deltaforge::pipeline
