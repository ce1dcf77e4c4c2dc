// A batch: whole source transactions, in commit order. Owned by one thread at a time (BatchPtr) until it is frozen,
// then shared read-only by the lanes (BatchRef). When the last reference goes, it returns to its home with its pages
// given back; vectors keep their capacity, so a warm pipeline allocates nothing.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/pages.h"
#include "core/event.h"
#include "core/mark.h"

namespace deltaforge {

// Number of a batch within one run of a pipeline, from 1. Says nothing across restarts.
enum class BatchSeq : std::uint64_t {};
inline BatchSeq next(BatchSeq seq) { return BatchSeq{static_cast<std::uint64_t>(seq) + 1}; }

// One source transaction of a batch, or a position-only record (no events): a keepalive, a heartbeat, a
// transaction of foreign tables.
struct Commit {
  Mark mark;
  std::int64_t ts_us = 0;           // commit time at the source, microseconds since the Unix epoch
  Hash128 id_hash{};                // `h` of the event ids (core/event_id.h)
  std::string_view transaction_id;  // `transaction.id`; in the batch's pages
  std::uint32_t first = 0;          // its events are [first, last)
  std::uint32_t last = 0;
};

// Why a batch was cut where it was.
enum class Cut : std::uint8_t {
  limits,     // it is large enough
  timer,      // its oldest commit has waited long enough
  drained,    // the server has nothing more, and those behind are idle
  cancelled,  // the pipeline is paused
  shutdown,   // the source has ended
};

class Batch;

class BatchHome {
 public:
  virtual ~BatchHome() = default;
  // Takes a batch back, emptied. Any thread.
  virtual void recycle(Batch*) noexcept = 0;
};

class Batch {
 public:
  Batch(PageBudget& budget, BatchHome& home) : pages_(budget), home_(home) {}

  // --- filled by the source thread, changed by the transform thread ---
  Event& add_event() {
    if ((size_ & (kChunk - 1)) == 0) chunks_.push_back(pages_.array<Event>(kChunk).data());
    Event* slot = chunks_.back() + (size_ & (kChunk - 1));
    ++size_;
    return *new (slot) Event();
  }
  void truncate_events(std::uint32_t size) {
    size_ = size;
    chunks_.resize((size + kChunk - 1) / kChunk);
  }
  Event& event(std::uint32_t index) { return chunks_[index / kChunk][index & (kChunk - 1)]; }
  std::vector<Commit>& commits() { return commits_; }
  std::vector<Mark>& marks() { return marks_; }
  Pages& pages() { return pages_; }

  // --- read by everyone ---
  const Event& event(std::uint32_t index) const { return chunks_[index / kChunk][index & (kChunk - 1)]; }
  std::uint32_t size() const { return size_; }
  std::span<const Commit> commits() const { return commits_; }
  std::span<const Mark> marks() const { return marks_; }  // of commits(), side by side for PositionAlgebra::advance
  std::size_t bytes() const { return pages_.used(); }

  // A hint from whoever reads the events one after the other, every few thousand: those before are done with.
  void passed(std::uint32_t index) const { pages_.passed(&event(index)); }

  // --- for the metrics ---
  Cut cut = Cut::limits;
  SteadyTime received{};  // when the first of its events came from the source
  // How many lanes will say acknowledged(). Before the batch is shared.
  void await(std::uint32_t lanes) { awaited_.store(lanes, std::memory_order_relaxed); }
  // Any lane, once. True: it was the last of them.
  bool acknowledged() const { return awaited_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

  BatchSeq seq{};

  void clear() noexcept {
    chunks_.clear();
    size_ = 0;
    commits_.clear();
    marks_.clear();
    pages_.clear();
  }

 private:
  friend class BatchRef;
  friend struct BatchRecycler;
  static constexpr std::uint32_t kChunk = 256;  // events per chunk; a power of two

  std::atomic<std::uint32_t> references_{0};
  mutable std::atomic<std::uint32_t> awaited_{0};
  Pages pages_;
  BatchHome& home_;
  std::vector<Event*> chunks_;
  std::uint32_t size_ = 0;
  std::vector<Commit> commits_;
  std::vector<Mark> marks_;
};

struct BatchRecycler {
  void operator()(Batch* batch) const noexcept {
    BatchHome& home = batch->home_;
    batch->clear();
    home.recycle(batch);
  }
};
using BatchPtr = std::unique_ptr<Batch, BatchRecycler>;

// A frozen batch, shared.
class BatchRef {
 public:
  BatchRef() = default;
  explicit BatchRef(BatchPtr batch) : batch_(batch.release()) { batch_->references_.store(1); }
  BatchRef(const BatchRef& other) : batch_(other.batch_) {
    if (batch_ != nullptr) batch_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  BatchRef(BatchRef&& other) noexcept : batch_(std::exchange(other.batch_, nullptr)) {}
  BatchRef& operator=(BatchRef other) noexcept {
    std::swap(batch_, other.batch_);
    return *this;
  }
  ~BatchRef() {
    if (batch_ != nullptr && batch_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) BatchRecycler{}(batch_);
  }
  const Batch& operator*() const { return *batch_; }
  const Batch* operator->() const { return batch_; }
  explicit operator bool() const { return batch_ != nullptr; }

 private:
  Batch* batch_ = nullptr;
};

}  // namespace deltaforge
