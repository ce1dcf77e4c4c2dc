// Who must wait for whom: requests that share a key go one after the other, in the order in which they entered. A key
// is the hash of its bytes; two keys with one hash merely wait for each other. One thread; after warming up no heap
// call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace deltaforge::sinks::http {

class KeyOrder {
 public:
  static constexpr std::uint32_t kNobody = UINT32_MAX;

  KeyOrder();

  // Who entered last for this key and has not left.
  std::uint32_t last(std::uint64_t key) const;
  // `who` is a small number. True: somebody is before it. Not twice for one key.
  bool enter(std::uint64_t key, std::uint32_t who);
  // Leaves all its queues. Calls first(next) for each of them in which somebody is now first.
  template <class F>
  void leave(std::uint32_t who, F&& first) {
    for (std::uint32_t node = std::exchange(entries_[who], kNobody); node != kNobody;) {
      if (const std::uint32_t next = next_of_key(node); next != kNobody && !previous_of_key(node))
        first(nodes_[next].who);
      node = remove(node);
    }
  }

 private:
  static constexpr std::size_t kBuckets = 4096;
  struct Node {
    std::uint64_t key;
    std::uint32_t who;
    std::uint32_t previous, next;  // in its bucket
    std::uint32_t next_entry;      // of the same `who`
  };
  struct Bucket {
    std::uint32_t first = kNobody, last = kNobody;
  };

  Bucket& bucket(std::uint64_t key) { return buckets_[key % kBuckets]; }
  std::uint32_t next_of_key(std::uint32_t node) const;
  bool previous_of_key(std::uint32_t node) const;
  // The next entry of the same `who`.
  std::uint32_t remove(std::uint32_t node);

  std::vector<Bucket> buckets_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> entries_;  // of each `who`, the first
  std::uint32_t free_ = kNobody;        // through next_entry
};

}  // namespace deltaforge::sinks::http
