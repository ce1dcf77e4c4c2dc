#include "storage/memory_store.h"

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

std::uint64_t MemoryStore::push(std::string_view ns, std::string_view key, std::string_view value) {
  std::lock_guard lock(mutex_);
  queues_[at(ns, key)].emplace(++last_queue_seq_, value);
  return last_queue_seq_;
}

std::vector<Store::Item> MemoryStore::peek(std::string_view ns, std::string_view key, std::size_t limit) {
  std::lock_guard lock(mutex_);
  std::vector<Item> result;
  for (const auto& [seq, value] : queues_[at(ns, key)]) {
    if (result.size() == limit) break;
    result.push_back({seq, value});
  }
  return result;
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
