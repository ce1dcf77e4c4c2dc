#include "pipeline/sent.h"

#include <algorithm>
#include <utility>

#include "pipeline/state_keys.h"

namespace deltaforge::pipeline {

Sent::Sent(Store& store, std::string key, const PositionAlgebra& algebra)
    : store_(store), key_(std::move(key)), algebra_(algebra) {
  for (const Stretch& each : read_stretches(store_, key_)) entries_.push_back({each, std::nullopt});
}

void Sent::add(const Stretch& stretch, const Mark& end) {
  const auto found = std::ranges::find(entries_, stretch, &Entry::stretch);
  if (found != entries_.end()) {
    found->end = end;
    return;
  }
  entries_.push_back({stretch, end});
  is_new_ = true;
}

// What was sent before one that is delivered for good is delivered, too. So go those that are not met any more.
void Sent::store(const Position& durable) {
  if (!is_new_) return;
  const auto is_done = [&](const Entry& each) { return each.end && algebra_.covers(durable, *each.end); };
  const auto last_done = std::find_if(entries_.rbegin(), entries_.rend(), is_done);
  entries_.erase(entries_.begin(), last_done.base());
  std::vector<Stretch> stretches;
  for (const Entry& each : entries_) stretches.push_back(each.stretch);
  const Store::Entry record{kSent, key_, print(stretches)};
  store_.put({&record, 1});
  is_new_ = false;
}

}  // namespace deltaforge::pipeline
