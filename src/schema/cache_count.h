// How often a source's cache of table descriptions already held what the log said. Counted by the source thread, read
// by any.
#pragma once

#include <atomic>
#include <cstdint>

namespace deltaforge::schema {

struct CacheCount {
  std::atomic<std::uint64_t> known{0}, learnt{0};
  void count(bool was_known) { (was_known ? known : learnt).fetch_add(1, std::memory_order_relaxed); }
};

}  // namespace deltaforge::schema
