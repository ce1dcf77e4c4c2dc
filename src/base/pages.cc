#include "base/pages.h"

#include <cstring>
#include <new>

namespace deltaforge {

PageBudget::PageBudget(std::size_t limit_bytes, const std::string& spill_directory) : limit_(limit_bytes) {
  if (!spill_directory.empty()) spill_.emplace(spill_directory);
}

PageBudget::~PageBudget() {
  for (std::byte* page : free_) ::operator delete (page, std::align_val_t{64});
}

PageBudget::Page PageBudget::take(std::size_t size) {
  if (spill_ && used() + size > limit_ + kSlack) {
    std::byte* page = spill_->take(size);
    used_.fetch_add(size, std::memory_order_relaxed);
    on_disk_.fetch_add(size, std::memory_order_relaxed);
    return {page, size, true};
  }
  used_.fetch_add(size, std::memory_order_relaxed);
  return {take_memory(size), size, false};
}

std::byte* PageBudget::take_memory(std::size_t size) {
  if (size == kPageSize) {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      std::byte* page = free_.back();
      free_.pop_back();
      return page;
    }
  }
  return static_cast<std::byte*>(::operator new (size, std::align_val_t{64}));
}

void PageBudget::give_back(const Page& page) noexcept {
  used_.fetch_sub(page.size, std::memory_order_relaxed);
  if (page.on_disk) {
    on_disk_.fetch_sub(page.size, std::memory_order_relaxed);
    return spill_->give_back();
  }
  if (page.size == kPageSize) {
    std::lock_guard lock(mutex_);
    // What was taken beyond the limit goes back to the system.
    if ((free_.size() + 1) * kPageSize <= limit_) {
      free_.push_back(page.data);
      return;
    }
  }
  ::operator delete (page.data, std::align_val_t{64});
}

std::byte* Pages::allocate_slow(std::size_t size) {
  // A large value gets a block of its own, so that the page being filled is not wasted.
  const bool own = size > PageBudget::kPageSize / 4;
  const PageBudget::Page& page = blocks_.emplace_back(budget_.take(own ? size : PageBudget::kPageSize));
  bytes_ += page.size;
  if (own) return page.data;
  current_ = page.data;
  end_ = page.size;
  at_ = size;
  return current_;
}

std::string_view Pages::copy(std::string_view text) {
  if (text.empty()) return {};
  std::byte* to = allocate(text.size(), 1);
  std::memcpy(to, text.data(), text.size());
  return {reinterpret_cast<const char*>(to), text.size()};
}

void Pages::clear() noexcept {
  for (const PageBudget::Page& page : blocks_) budget_.give_back(page);
  blocks_.clear();
  current_ = nullptr;
  at_ = end_ = bytes_ = 0;
}

}  // namespace deltaforge
