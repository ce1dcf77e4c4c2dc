#include "base/slab.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace deltaforge {
namespace {
// The event that fills a slab up usually fits behind its soft limit.
constexpr std::size_t kHeadroom = 256 * 1024;
}  // namespace

Slab::~Slab() { std::free(data_); }

void Slab::grow(std::size_t more) {
  std::size_t wanted = std::max(size_ + more, capacity_ == 0 ? kSize + kHeadroom : capacity_ * 2);
  char* bigger = static_cast<char*>(std::realloc(data_, wanted));
  if (bigger == nullptr) throw std::bad_alloc();
  data_ = bigger;
  capacity_ = wanted;
}

void Slab::clear() {
  size_ = 0;
  if (capacity_ > kSize + kHeadroom) {
    std::free(data_);
    data_ = nullptr;
    capacity_ = 0;
  }
}

SlabPool::SlabPool(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    all_.push_back(std::make_unique<Slab>());
    free_.push_back(all_.back().get());
  }
}

Slab* SlabPool::take() {
  std::lock_guard lock(mutex_);
  if (free_.empty()) return nullptr;
  Slab* slab = free_.back();
  free_.pop_back();
  return slab;
}

void SlabPool::give_back(Slab* slab) noexcept {
  slab->clear();
  std::lock_guard lock(mutex_);
  free_.push_back(slab);
}

std::size_t SlabPool::available() const {
  std::lock_guard lock(mutex_);
  return free_.size();
}

}  // namespace deltaforge
