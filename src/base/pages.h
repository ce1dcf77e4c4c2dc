// The memory of events. A PageBudget is the memory limit of one pipeline; Pages is an arena of one batch, filled by
// one thread at a time and emptied as a whole when the last reference to the batch is dropped.
//
// The budget is soft at one point only: an open batch that alone is the reason may pass it (contract D1), up to the
// limit that its intake checks. Pages that are returned are kept for reuse; nothing is allocated once a pipeline has
// warmed up.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace deltaforge {

class PageBudget {
 public:
  static constexpr std::size_t kPageSize = 256 * 1024;

  explicit PageBudget(std::size_t limit_bytes) : limit_(limit_bytes) {}
  PageBudget(const PageBudget&) = delete;
  PageBudget& operator=(const PageBudget&) = delete;
  ~PageBudget();

  // Any thread. Never fails for want of budget; whoever fills pages asks used() first.
  std::byte* take(std::size_t size);
  void give_back(std::byte* page, std::size_t size) noexcept;

  std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  std::size_t limit() const { return limit_; }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> used_{0};
  std::mutex mutex_;
  std::vector<std::byte*> free_;  // pages of kPageSize
};

class Pages {
 public:
  explicit Pages(PageBudget& budget) : budget_(budget) {}
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() { clear(); }

  // Uninitialised memory that lives until clear(). align <= 16.
  std::byte* allocate(std::size_t size, std::size_t align = alignof(std::max_align_t)) {
    std::size_t start = (at_ + align - 1) & ~(align - 1);
    if (start + size <= end_) [[likely]] {
      at_ = start + size;
      return current_ + start;
    }
    return allocate_slow(size);
  }

  template <class T>
  std::span<T> array(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return {reinterpret_cast<T*>(allocate(count * sizeof(T), alignof(T))), count};
  }

  std::string_view copy(std::string_view text);

  // Gives every page back to the budget.
  void clear() noexcept;
  // Taken from the budget, and of that what is filled.
  std::size_t bytes() const { return bytes_; }
  std::size_t used() const { return bytes_ - (end_ - at_); }

 private:
  struct Block {
    std::byte* data;
    std::size_t size;
  };
  std::byte* allocate_slow(std::size_t size);

  PageBudget& budget_;
  std::vector<Block> blocks_;
  std::byte* current_ = nullptr;
  std::size_t at_ = 0, end_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace deltaforge
