#include "storage/memory_store.h"

#include <algorithm>
#include <iterator>

namespace deltaforge::storage {

std::optional<std::string> MemoryStore::get(std::string_view ns, std::string_view key) {
  std::lock_guard lock(mutex_);
  const auto found = kv_.find(at(ns, key));
  if (found == kv_.end()) return std::nullopt;
  return found->second;
}

void MemoryStore::put(std::span<const Entry> entries) {
  std::lock_guard lock(mutex_);
  for (const Entry& entry : entries) kv_.insert_or_assign({entry.ns, entry.key}, entry.value);
}

bool MemoryStore::erase(std::string_view ns, std::string_view key) {
  std::lock_guard lock(mutex_);
  return kv_.erase(at(ns, key)) > 0;
}

std::vector<std::string> MemoryStore::keys(std::string_view ns, std::string_view prefix) {
  std::lock_guard lock(mutex_);
  std::vector<std::string> result;
  for (auto i = kv_.lower_bound(at(ns, prefix)); i != kv_.end(); ++i) {
    if (i->first.first != ns || !i->first.second.starts_with(prefix)) break;
    result.push_back(i->first.second);
  }
  return result;
}

std::uint64_t MemoryStore::append(std::string_view ns, std::string_view key, std::string_view value) {
  std::lock_guard lock(mutex_);
  logs_[at(ns, key)].emplace(++last_log_seq_, value);
  return last_log_seq_;
}

std::vector<Store::LogEntry> MemoryStore::since(std::string_view ns, std::string_view key, std::uint64_t after_seq) {
  std::lock_guard lock(mutex_);
  std::vector<LogEntry> result;
  const auto& log = logs_[at(ns, key)];
  for (auto i = log.upper_bound(after_seq); i != log.end(); ++i) result.push_back({i->first, i->second});
  return result;
}

std::optional<Store::Versioned> MemoryStore::slot(std::string_view ns, std::string_view key) {
  std::lock_guard lock(mutex_);
  const auto found = slots_.find(at(ns, key));
  if (found == slots_.end()) return std::nullopt;
  return found->second;
}

bool MemoryStore::swap(std::string_view ns, std::string_view key, std::uint64_t expected_version,
                       std::string_view value) {
  std::lock_guard lock(mutex_);
  const auto found = slots_.find(at(ns, key));
  const std::uint64_t version = found == slots_.end() ? 0 : found->second.version;
  if (version != expected_version) return false;
  slots_.insert_or_assign(at(ns, key), Versioned{version + 1, std::string(value)});
  return true;
}

void MemoryStore::push(std::string_view ns, std::string_view key, std::span<const Pushed> items) {
  std::lock_guard lock(mutex_);
  auto& queue = queues_[at(ns, key)];
  for (const Pushed& item : items) {
    const auto same = std::ranges::find_if(queue, [&](const auto& entry) { return entry.second.id == item.id; });
    if (item.id.empty() || same == queue.end())
      queue.emplace(++last_queue_seq_, item);
    else
      same->second.value = item.value;
  }
}

std::vector<Store::Item> MemoryStore::peek(std::string_view ns, std::string_view key, std::size_t limit,
                                           std::uint64_t after_seq) {
  std::lock_guard lock(mutex_);
  std::vector<Item> result;
  const auto& queue = queues_[at(ns, key)];
  for (auto i = queue.upper_bound(after_seq); i != queue.end() && result.size() < limit; ++i)
    result.push_back({i->first, i->second.id, i->second.value});
  return result;
}

std::optional<Store::Item> MemoryStore::find(std::string_view ns, std::string_view key, std::string_view id) {
  std::lock_guard lock(mutex_);
  for (const auto& [seq, item] : queues_[at(ns, key)])
    if (item.id == id && !id.empty()) return Item{seq, item.id, item.value};
  return std::nullopt;
}

std::size_t MemoryStore::queued(std::string_view ns, std::string_view key) {
  std::lock_guard lock(mutex_);
  return queues_[at(ns, key)].size();
}

bool MemoryStore::drop(std::string_view ns, std::string_view key, std::uint64_t seq) {
  std::lock_guard lock(mutex_);
  return queues_[at(ns, key)].erase(seq) > 0;
}

std::size_t MemoryStore::drop_upto(std::string_view ns, std::string_view key, std::uint64_t seq) {
  std::lock_guard lock(mutex_);
  auto& queue = queues_[at(ns, key)];
  const auto end = queue.upper_bound(seq);
  const auto dropped = static_cast<std::size_t>(std::distance(queue.begin(), end));
  queue.erase(queue.begin(), end);
  return dropped;
}

}  // namespace deltaforge::storage
