#include "sinks/http/key_order.h"

namespace deltaforge::sinks::http {

KeyOrder::KeyOrder() : buckets_(kBuckets) {}

std::uint32_t KeyOrder::last(std::uint64_t key) const {
  for (std::uint32_t at = buckets_[key % kBuckets].last; at != kNobody; at = nodes_[at].previous)
    if (nodes_[at].key == key) return nodes_[at].who;
  return kNobody;
}

bool KeyOrder::enter(std::uint64_t key, std::uint32_t who) {
  const bool waits = last(key) != kNobody;
  std::uint32_t at = free_;
  if (at == kNobody) {
    at = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    free_ = nodes_[at].next_entry;
  }
  if (entries_.size() <= who) entries_.resize(who + 1, kNobody);
  Bucket& to = bucket(key);
  nodes_[at] = {key, who, to.last, kNobody, std::exchange(entries_[who], at)};
  if (to.last == kNobody)
    to.first = at;
  else
    nodes_[to.last].next = at;
  to.last = at;
  return waits;
}

std::uint32_t KeyOrder::next_of_key(std::uint32_t node) const {
  for (std::uint32_t at = nodes_[node].next; at != kNobody; at = nodes_[at].next)
    if (nodes_[at].key == nodes_[node].key) return at;
  return kNobody;
}

bool KeyOrder::previous_of_key(std::uint32_t node) const {
  for (std::uint32_t at = nodes_[node].previous; at != kNobody; at = nodes_[at].previous)
    if (nodes_[at].key == nodes_[node].key) return true;
  return false;
}

std::uint32_t KeyOrder::remove(std::uint32_t node) {
  Node& gone = nodes_[node];
  Bucket& from = bucket(gone.key);
  (gone.previous == kNobody ? from.first : nodes_[gone.previous].next) = gone.next;
  (gone.next == kNobody ? from.last : nodes_[gone.next].previous) = gone.previous;
  const std::uint32_t next = std::exchange(gone.next_entry, free_);
  free_ = node;
  return next;
}

}  // namespace deltaforge::sinks::http
