// The memory of events. A PageBudget is the memory limit of one pipeline; Pages is an arena of one batch, filled by
// one thread at a time and emptied as a whole when the last reference to the batch is dropped.
//
// An open batch that alone is the reason may pass the limit, up to what its intake allows: its further
// pages lie in a file, or in memory where no directory is given. The first few pages beyond are memory too: a source
// asks for room between messages, not between pages, and the disk is not for that. Pages of memory that are returned
// are kept for reuse; nothing is allocated once a pipeline has warmed up.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/spill_file.h"

namespace deltaforge {

class PageBudget {
 public:
  static constexpr std::size_t kPageSize = 256 * 1024;
  static constexpr std::size_t kSlack = 16 * 1024 * 1024;  // beyond the limit, and not yet on disk

  struct Page {
    std::byte* data;
    std::size_t size;
    bool on_disk;
  };

  // What is taken beyond the limit goes into a file in `spill_directory`, or into memory when that is empty.
  explicit PageBudget(std::size_t limit_bytes, const std::string& spill_directory = {});
  PageBudget(const PageBudget&) = delete;
  PageBudget& operator=(const PageBudget&) = delete;
  ~PageBudget();

  // Any thread. Never fails for want of budget; whoever fills pages asks used() first. Throws Error{storage} when the
  // disk is full.
  Page take(std::size_t size);
  void give_back(const Page&) noexcept;
  // See SpillFile.
  void passed(const void* address) noexcept {
    if (spill_) spill_->passed(address);
  }

  std::size_t used() const { return used_.load(std::memory_order_relaxed); }        // all together
  std::size_t on_disk() const { return on_disk_.load(std::memory_order_relaxed); }  // of that
  std::size_t limit() const { return limit_; }

 private:
  std::byte* take_memory(std::size_t size);

  const std::size_t limit_;
  std::optional<SpillFile> spill_;
  std::atomic<std::size_t> used_{0}, on_disk_{0};
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
  // A hint: a reader of what lies here, in the order in which it was put here, has come to this address.
  void passed(const void* address) const noexcept {
    if (!blocks_.empty() && blocks_.back().on_disk) budget_.passed(address);
  }
  // Taken from the budget, and of that what is filled.
  std::size_t bytes() const { return bytes_; }
  std::size_t used() const { return bytes_ - (end_ - at_); }

 private:
  std::byte* allocate_slow(std::size_t size);

  PageBudget& budget_;
  std::vector<PageBudget::Page> blocks_;
  std::byte* current_ = nullptr;
  std::size_t at_ = 0, end_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace deltaforge
