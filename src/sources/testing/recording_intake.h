// An intake for tests of sources: keeps what was committed, as text, and can be told to have no room. The source's
// thread writes, the test's thread looks.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/pages.h"
#include "core/batch.h"
#include "core/source.h"

namespace deltaforge::sources::testing {

// JSON-like, one line: {"id":7,"note":null}; "-" when there is no image.
std::string render(const Value&);
std::string render(const Image&, const TableSchema&);
// c public.orders#1 before=- after={...}
std::string render(const Event&);

struct Recorded {
  Mark mark;
  std::int64_t ts_us = 0;
  Hash128 id_hash{};
  std::string transaction_id;
  bool idle = false;  // a position-only record
  std::vector<std::string> events;
  std::string locus;  // of its first event
};

class RecordingIntake final : public Intake, private BatchHome {
 public:
  RecordingIntake();

  bool room() override;
  Event& event() override;
  Pages& pages() override;
  void commit(const Mark&, const TransactionInfo&) override;
  void idle(const Mark&) override;
  void rollback() override;
  void drained() override { ++drained_; }
  SteadyTime deadline() const override { return SteadyTime::max(); }
  int wake_fd() const override { return wake_.fd(); }

  // Called with every event, in the source's thread, before the transaction ends.
  std::function<void(const Event&)> on_event;

  // --- any thread ---
  void set_room(bool);
  std::vector<Recorded> all() const;  // position-only records too
  std::vector<Recorded> transactions() const;
  std::vector<std::string> events() const;  // of all transactions
  bool wait_for(const std::function<bool(const std::vector<Recorded>&)>&, std::chrono::milliseconds) const;
  int drained_times() const { return drained_; }
  std::size_t page_bytes() const { return budget_.used(); }

 private:
  void recycle(Batch*) noexcept override {}

  PageBudget budget_{64 * 1024 * 1024};
  Batch batch_;
  WakeFd wake_;
  std::atomic<bool> has_room_{true};
  std::atomic<int> drained_{0};
  bool in_transaction_ = false;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<Recorded> recorded_;
};

}  // namespace deltaforge::sources::testing
