// Kept events on their way again: a batch outside the pool, without positions, that a lane (or the transform stage)
// takes between two batches of the stream.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/batch.h"
#include "pipeline/row_keys.h"
#include "schema/registry.h"

namespace deltaforge::pipeline {

// What became of it; called once by the thread that took it, unless its run ends first.
struct ReplayResult {
  std::vector<std::uint32_t> refused;  // these are dead letters (again),
  std::vector<std::uint32_t> waiting;  // these wait behind one (again); both ascend. All others were taken
  std::string why;                     // of the first that was refused
  bool taken = true;                   // false: nothing was, see `why`
};

struct Replay {
  // A dead letter, which is what blocks; or events that waited, of which those whose rows are blocked (again) go on
  // waiting: released by the desk of the very stage, or passed on to every lane by the processors.
  enum class Kind { letter, release, passed_on };

  BatchRef batch;
  Kind kind = Kind::letter;
  std::vector<Order> orders;           // by commit,
  std::vector<std::string> positions;  // as are these: a record that covers it. Of what is passed on
  std::function<void(ReplayResult)> done;
  std::uint64_t behind = 0;  // filled in by the lane: so many batches go first
};

// Makes such batches. Any thread; outlives all of them.
class ReplayBatches final : public BatchHome {
 public:
  static constexpr std::size_t kBytes = 32 * 1024 * 1024;

  explicit ReplayBatches(const std::string& spill_directory) : budget_(kBytes, spill_directory) {}

  // Of texts in kept_event.h's format. Throws Error{storage}.
  BatchPtr make(std::span<const std::string_view> kept);
  void recycle(Batch* batch) noexcept override { delete batch; }

 private:
  PageBudget budget_;
  std::mutex mutex_;  // guards what follows
  schema::Registry schemas_;
  std::uint64_t last_ = 0;
};

}  // namespace deltaforge::pipeline
