#include "pipeline/batch_pool.h"

namespace deltaforge::pipeline {

BatchPool::BatchPool(std::size_t count, PageBudget& budget, WakeFd& wake) : wake_(wake) {
  for (std::size_t i = 0; i < count; ++i) {
    all_.push_back(std::make_unique<Batch>(budget, *this));
    free_.push_back(all_.back().get());
  }
}

BatchPtr BatchPool::take() {
  std::lock_guard lock(mutex_);
  if (free_.empty()) return nullptr;
  Batch* batch = free_.back();
  free_.pop_back();
  outstanding_.fetch_add(1, std::memory_order_release);
  return BatchPtr(batch);
}

void BatchPool::recycle(Batch* batch) noexcept {
  {
    std::lock_guard lock(mutex_);
    free_.push_back(batch);
    outstanding_.fetch_sub(1, std::memory_order_release);
  }
  if (wanted_.exchange(false, std::memory_order_seq_cst)) wake_.signal();
}

}  // namespace deltaforge::pipeline
