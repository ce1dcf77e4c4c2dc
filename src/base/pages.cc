#include "base/pages.h"

#include <cstring>
#include <new>

namespace deltaforge {

PageBudget::~PageBudget() {
  for (std::byte* page : free_) ::operator delete (page, std::align_val_t{64});
}

std::byte* PageBudget::take(std::size_t size) {
  used_.fetch_add(size, std::memory_order_relaxed);
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

void PageBudget::give_back(std::byte* page, std::size_t size) noexcept {
  used_.fetch_sub(size, std::memory_order_relaxed);
  if (size == kPageSize) {
    std::lock_guard lock(mutex_);
    // What a huge transaction took beyond the limit goes back to the system.
    if ((free_.size() + 1) * kPageSize <= limit_) {
      free_.push_back(page);
      return;
    }
  }
  ::operator delete (page, std::align_val_t{64});
}

std::byte* Pages::allocate_slow(std::size_t size) {
  // A large value gets a block of its own, so that the page being filled is not wasted.
  if (size > PageBudget::kPageSize / 4) {
    blocks_.push_back({budget_.take(size), size});
    bytes_ += size;
    return blocks_.back().data;
  }
  blocks_.push_back({budget_.take(PageBudget::kPageSize), PageBudget::kPageSize});
  bytes_ += PageBudget::kPageSize;
  current_ = blocks_.back().data;
  end_ = PageBudget::kPageSize;
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
  for (const Block& block : blocks_) budget_.give_back(block.data, block.size);
  blocks_.clear();
  current_ = nullptr;
  at_ = end_ = bytes_ = 0;
}

}  // namespace deltaforge
