#include "pipeline/checkpointer.h"

#include <utility>

#include "pipeline/state_keys.h"

namespace deltaforge::pipeline {

Checkpointer::Checkpointer(Parts parts) : parts_(std::move(parts)) {}

bool Checkpointer::step() {
  if (pending_) {
    // Positions that moved on meanwhile replace the ones that could not be stored.
    std::vector<Position> newer;
    if (!parts_.ledger.take(newer)) newer.clear();
    for (std::size_t i = 0; i < newer.size(); ++i)
      if (!newer[i].empty()) moved_[i] = std::move(newer[i]);
  } else if (!parts_.ledger.take(moved_)) {
    return false;
  }
  pending_ = true;
  write();
  pending_ = false;
  const Position& release = parts_.ledger.stored(moved_);
  if (!release.empty()) parts_.release(release);
  parts_.on_stored();
  return true;
}

void Checkpointer::write() {
  entries_.clear();
  Position meet;
  bool all = true, first = true;
  for (std::size_t i = 0; i < moved_.size(); ++i) {
    Position now = moved_[i].empty() ? parts_.ledger.durable(i) : moved_[i];
    if (!parts_.ledger.is_lost(i)) {
      if (now.empty()) all = false;
      if (all) meet = std::exchange(first, false) ? now : parts_.algebra.meet(meet, now);
    }
    if (moved_[i].empty()) continue;
    std::string key = sink_key(parts_.source_id, parts_.sink_ids[i]);
    entries_.push_back({kCheckpoints, key, parts_.codec.print(moved_[i])});
    entries_.push_back({kCheckpointsShort, key, parts_.algebra.show(moved_[i])});
  }
  if (all) entries_.push_back({kCheckpointsShort, parts_.source_id, parts_.algebra.show(meet)});
  parts_.store.put(entries_);
}

}  // namespace deltaforge::pipeline
