#include "pipeline/replay.h"

#include "pipeline/kept_event.h"

namespace deltaforge::pipeline {
namespace {
// Numbers that no batch of the stream comes to.
constexpr std::uint64_t kFirstSeq = std::uint64_t{1} << 62;
}  // namespace

BatchPtr ReplayBatches::make(std::span<const std::string_view> kept) {
  BatchPtr batch(new Batch(budget_, *this));
  std::lock_guard lock(mutex_);
  for (std::string_view text : kept) restore_kept(text, schemas_, *batch);
  batch->seq = BatchSeq{kFirstSeq + ++last_};
  return batch;
}

}  // namespace deltaforge::pipeline
