#include "pipeline/transform.h"

#include <algorithm>
#include <chrono>

namespace deltaforge::pipeline {
namespace {

constexpr std::uint32_t kHintEvery = 4096;

// The last event of each transaction that survived the processors ends it.
void mark_ends(Batch& batch) {
  for (const Commit& commit : batch.commits()) {
    for (std::uint32_t i = commit.last; i > commit.first; --i) {
      if (batch.event(i - 1).dropped) continue;
      batch.event(i - 1).tx_end = true;
      break;
    }
  }
}

}  // namespace

bool Transform::step() {
  if (!current_) {
    BatchPtr batch;
    holding_.store(true, std::memory_order_release);
    if (!in_.try_pop(batch)) {
      holding_.store(false, std::memory_order_release);
      return false;
    }
    probe_.queue_depth(in_.size());
    freeze(std::move(batch));
  }
  bool all = true;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (!taken_[i]) taken_[i] = lanes_[i]->offer(current_);
    all = all && taken_[i];
  }
  if (!all) return false;
  current_ = BatchRef();
  holding_.store(false, std::memory_order_release);
  return true;
}

void Transform::freeze(BatchPtr batch) {
  SteadyTime begin = clock_.now();
  for (auto& processor : processors_) processor->process(*batch);
  mark_ends(*batch);
  const TableSchema* schema = nullptr;
  std::uint64_t run = 0;
  std::uint32_t commit = 0;  // of the run's last event
  const std::int64_t wall_us = clock_.wall_us();
  auto count_run = [&] {
    if (run == 0) return;
    const std::int64_t ts_us = batch->commits()[commit].ts_us;
    const double age = ts_us != 0 ? static_cast<double>(wall_us - ts_us) / 1e6 : 0;
    probe_.table_events(schema->id, schema->full_name, run, std::max(0.0, age));
  };
  for (std::uint32_t i = 0; i < batch->size(); ++i) {
    const Event& event = batch->event(i);
    if (event.schema != schema) {
      count_run();
      schema = event.schema;
      run = 0;
    }
    ++run;
    commit = event.commit;
    if (i % kHintEvery == 0) batch->passed(i);
  }
  count_run();
  if (batch->size() > 0)  // else it only moves positions
    probe_.frozen(batch->size(), batch->bytes(), batch->cut,
                  std::chrono::duration<double>(clock_.now() - begin).count());
  batch->await(static_cast<std::uint32_t>(
      std::count_if(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->awaited(); })));
  current_ = BatchRef(std::move(batch));
  taken_.assign(lanes_.size(), false);
}

}  // namespace deltaforge::pipeline
