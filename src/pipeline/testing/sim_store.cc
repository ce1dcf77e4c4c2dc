#include "pipeline/testing/sim_store.h"

#include "base/error.h"
#include "pipeline/state_keys.h"
#include "pipeline/testing/sim_rows.h"
#include "pipeline/testing/sim_world.h"

namespace deltaforge::pipeline::testing {

std::optional<std::string> SimStore::get(std::string_view ns, std::string_view key) {
  std::lock_guard lock(mutex_);
  auto found = values_.find(std::pair(std::string(ns), std::string(key)));
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

void SimStore::put(std::span<const Entry> entries) {
  if (world_.chance(8)) throw Error(ErrorKind::storage, "the simulated disk is full");
  std::lock_guard lock(mutex_);
  for (const Entry& entry : entries) {
    values_[{entry.ns, entry.key}] = entry.value;
    if (entry.ns == kCheckpoints)
      world_.stored(entry.key.substr(entry.key.rfind(':') + 1), end_of(SimAlgebra().parse(entry.value)));
  }
}

bool SimStore::erase(std::string_view ns, std::string_view key) {
  std::lock_guard lock(mutex_);
  return values_.erase({std::string(ns), std::string(key)}) > 0;
}

std::vector<std::string> SimStore::keys(std::string_view ns, std::string_view prefix) {
  std::lock_guard lock(mutex_);
  std::vector<std::string> found;
  for (const auto& [name, value] : values_)
    if (name.first == ns && name.second.starts_with(prefix)) found.push_back(name.second);
  return found;
}

void SimStore::may_fail_before() {
  if (!world_.chance(2)) return;
  if (world_.rows != nullptr) world_.rows->fault();
  throw Error(ErrorKind::storage, "the simulated disk is full");
}

void SimStore::may_fail_after() {
  if (!world_.chance(1)) return;
  if (world_.rows != nullptr) world_.rows->fault();
  throw Error(ErrorKind::storage, "the simulated disk does not say whether it wrote");
}

// For a trace; a world of no rows shows entries as they are.
std::string SimStore::name_of(const std::string& entry) const {
  return world_.rows != nullptr ? world_.rows->name(entry) : entry;
}

void SimStore::push(std::string_view, std::string_view key, std::span<const Pushed> items) {
  may_fail_before();
  std::lock_guard lock(mutex_);
  Queue& queue = queues_[std::string(key)];
  for (const Pushed& item : items) {
    world_.trace("{} gets {}", key, name_of(item.id));
    if (const auto known = queue.ids.find(item.id); known != queue.ids.end()) {
      queue.items.at(known->second).value = item.value;
      continue;
    }
    queue.ids[item.id] = ++last_seq_;
    queue.items[last_seq_] = {last_seq_, item.id, item.value};
  }
  may_fail_after();
}

std::vector<Store::Item> SimStore::peek(std::string_view, std::string_view key, std::size_t limit,
                                        std::uint64_t after_seq) {
  std::lock_guard lock(mutex_);
  std::vector<Item> found;
  const auto queue = queues_.find(key);
  if (queue == queues_.end()) return found;
  for (auto i = queue->second.items.upper_bound(after_seq); i != queue->second.items.end() && found.size() < limit; ++i)
    found.push_back(i->second);
  return found;
}

std::optional<Store::Item> SimStore::find(std::string_view, std::string_view key, std::string_view id) {
  std::lock_guard lock(mutex_);
  const auto queue = queues_.find(key);
  if (queue == queues_.end()) return std::nullopt;
  const auto known = queue->second.ids.find(id);
  if (known == queue->second.ids.end()) return std::nullopt;
  return queue->second.items.at(known->second);
}

std::size_t SimStore::queued(std::string_view, std::string_view key) {
  std::lock_guard lock(mutex_);
  const auto queue = queues_.find(key);
  return queue == queues_.end() ? 0 : queue->second.items.size();
}

void SimStore::remove(Queue& queue, std::string_view key, std::uint64_t seq, bool given_up) {
  const auto item = queue.items.find(seq);
  world_.trace("{} loses {}{}", key, name_of(item->second.id), given_up ? ", given up" : "");
  if (leaving) leaving(key, item->second, given_up);
  queue.ids.erase(item->second.id);
  queue.items.erase(item);
}

bool SimStore::drop(std::string_view, std::string_view key, std::uint64_t seq) {
  may_fail_before();
  std::lock_guard lock(mutex_);
  const auto queue = queues_.find(key);
  if (queue == queues_.end() || !queue->second.items.contains(seq)) return false;
  remove(queue->second, key, seq, false);
  may_fail_after();
  return true;
}

std::size_t SimStore::drop_upto(std::string_view, std::string_view key, std::uint64_t seq) {
  may_fail_before();
  std::lock_guard lock(mutex_);
  const auto queue = queues_.find(key);
  std::size_t count = 0;
  if (queue == queues_.end()) return count;
  auto& items = queue->second.items;
  for (; !items.empty() && items.begin()->first <= seq; ++count) remove(queue->second, key, items.begin()->first, true);
  may_fail_after();
  return count;
}

bool SimStore::keeps(const std::string& id, std::string_view other_than) const {
  std::lock_guard lock(mutex_);
  for (const auto& [key, queue] : queues_)
    if (key != other_than && queue.ids.contains(id)) return true;
  return false;
}

}  // namespace deltaforge::pipeline::testing
