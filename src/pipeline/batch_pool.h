// The fixed number of batches of one pipeline. Together with the page budget it is the memory limit and the whole of
// the back-pressure: a source without a free batch reads nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "base/fd.h"
#include "core/batch.h"

namespace deltaforge::pipeline {

class BatchPool : public BatchHome {
 public:
  BatchPool(std::size_t count, PageBudget& budget, WakeFd& wake);

  // Source thread. Null when all are in flight.
  BatchPtr take();
  void recycle(Batch*) noexcept override;
  std::size_t outstanding() const { return outstanding_.load(std::memory_order_acquire); }
  std::size_t count() const { return all_.size(); }

  // Source thread: signal the WakeFd at the next recycle().
  void want_wake() { wanted_.store(true, std::memory_order_seq_cst); }

 private:
  WakeFd& wake_;
  std::vector<std::unique_ptr<Batch>> all_;
  std::mutex mutex_;
  std::vector<Batch*> free_;
  std::atomic<std::size_t> outstanding_{0};
  std::atomic<bool> wanted_{false};
};

}  // namespace deltaforge::pipeline
