#include "pipeline/intake.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "base/check.h"
#include "base/error.h"

namespace deltaforge::pipeline {
namespace {
constexpr auto kIdleInterval = std::chrono::seconds(10);
// Transactions without captured rows cost a mark each: a bound for floods of them.
constexpr std::size_t kMaxCommits = 65'536;
}  // namespace

BatchIntake::BatchIntake(Parts parts, const BatchOptions& options) : parts_(std::move(parts)), options_(options) {}

bool BatchIntake::ensure_open() {
  if (open_ != nullptr) return true;
  open_ = parts_.pool.take();
  if (open_ == nullptr) {
    parts_.pool.want_wake();
    open_ = parts_.pool.take();  // one may have come back in between
  }
  return open_ != nullptr;
}

bool BatchIntake::memory_for_more() {
  auto scarce = [this] { return parts_.budget.used() >= parts_.budget.limit() && parts_.pool.outstanding() > 1; };
  if (!scarce()) return true;
  parts_.pool.want_wake();
  return !scarce();
}

bool BatchIntake::room() {
  parts_.wake.clear();
  if (!in_transaction_) {
    const bool paused = paused_.load(std::memory_order_acquire);
    if (has_commits()) cut_what_is_due(paused);
    if (paused) return false;
  } else if (open_->pages().used() - committed_bytes_ > options_.max_tx_bytes.count) {
    throw Error(ErrorKind::limit,
                "a transaction is larger than batch.max_tx_bytes (" + std::to_string(options_.max_tx_bytes.count) + ")",
                "raise batch.max_tx_bytes and resume; nothing of the transaction was delivered");
  }
  return ensure_open() && memory_for_more();
}

void BatchIntake::cut_what_is_due(bool paused) {
  const SteadyTime now = parts_.clock.now();
  if (paused) recut_.is_drained(false, now);
  if (now >= recut_.gives_up_at()) recut_.give_up();
  if (recut_.is_open()) return;
  if (now >= due_)
    cut(Cut::timer);
  else if (paused)
    cut(Cut::cancelled);
}

Event& BatchIntake::event() {
  DF_CHECK(open_ != nullptr, "event() without room()");
  in_transaction_ = true;
  idle_last_ = false;
  if (open_->size() == 0) open_->received = parts_.clock.now();
  Event& event = open_->add_event();
  event.commit = static_cast<std::uint32_t>(open_->commits().size());
  event.total_order = ++total_order_;
  return event;
}

Pages& BatchIntake::pages() {
  DF_CHECK(open_ != nullptr, "pages() without room()");
  in_transaction_ = true;  // what is put there belongs to a transaction whose first event is still to come
  return open_->pages();
}

void BatchIntake::record(const Mark& mark, const TransactionInfo* info) {
  Commit commit;
  commit.mark = mark;
  commit.first = committed_events_;
  commit.last = open_->size();
  if (info != nullptr) {
    commit.ts_us = info->ts_us;
    commit.id_hash = info->id_hash;
    commit.transaction_id = info->transaction_id;
  }
  open_->commits().push_back(commit);
  open_->marks().push_back(mark);
  committed_events_ = commit.last;
  committed_bytes_ = open_->pages().used();
  in_transaction_ = false;
  total_order_ = 0;
}

void BatchIntake::commit(const Mark& mark, const TransactionInfo& info) {
  DF_CHECK(open_ != nullptr, "commit() without room()");
  bool with_events = open_->size() > committed_events_;
  record(mark, &info);
  idle_last_ = false;
  SteadyTime now = parts_.clock.now();
  due_ = std::min(due_,
                  with_events ? now + std::chrono::milliseconds(options_.max_ms.count) : std::max(now, next_idle_cut_));
  const bool ends = with_events && recut_.passed(info.id_hash);
  if (recut_.is_open() && open_->marks().size() >= 2 * kMaxCommits) recut_.give_up();
  if (ends || (is_full() && !recut_.is_open())) cut(Cut::limits);
}

bool BatchIntake::is_full() const {
  return open_->size() >= static_cast<std::uint64_t>(options_.max_events) ||
         open_->pages().used() >= options_.max_bytes.count || open_->marks().size() >= kMaxCommits;
}

void BatchIntake::idle(const Mark& mark) {
  DF_CHECK(open_ == nullptr || open_->size() == committed_events_, "idle() inside a transaction");
  in_transaction_ = false;
  if (!ensure_open()) return;  // the next one will do
  if (idle_last_) {
    open_->commits().back().mark = mark;
    open_->marks().back() = mark;
    return;
  }
  record(mark, nullptr);
  idle_last_ = true;
  due_ = std::min(due_, std::max(parts_.clock.now(), next_idle_cut_));
}

void BatchIntake::rollback() {
  if (open_ == nullptr) return;
  open_->truncate_events(committed_events_);
  in_transaction_ = false;
  total_order_ = 0;
  recut_.is_drained(false, parts_.clock.now());
  if (open_->commits().empty()) {  // nothing worth keeping: give the pages back
    open_.reset();
    committed_bytes_ = 0;
  } else if (!recut_.is_open() && open_->pages().used() - committed_bytes_ > options_.max_bytes.count) {
    cut(Cut::limits);  // so that the pages of what was dropped come back with it
  }
}

void BatchIntake::drained() {
  if (in_transaction_ || !has_commits() || open_->size() == 0) return;
  if (recut_.is_open()) return recut_.is_drained(true, parts_.clock.now());
  if (parts_.downstream_idle()) cut(Cut::drained);
}

SteadyTime BatchIntake::deadline() const {
  if (has_commits() && !in_transaction_) return recut_.is_open() ? recut_.gives_up_at() : due_;
  return SteadyTime::max();
}

void BatchIntake::pause(bool on) {
  paused_.store(on, std::memory_order_release);
  wake();
}

Position BatchIntake::resume_position() const {
  Position position = cut_position_;
  if (has_commits() && !position.empty()) parts_.algebra.advance(position, std::as_const(*open_).marks());
  return position;
}

void BatchIntake::finish() {
  rollback();
  if (recut_.is_open()) return open_.reset();
  if (has_commits()) cut(Cut::shutdown);
}

void BatchIntake::cut(Cut why) {
  DF_CHECK(!in_transaction_, "a batch is cut only at a commit");
  open_->cut = why;
  open_->seq = next_seq_;
  next_seq_ = next(next_seq_);
  if (!cut_position_.empty()) parts_.algebra.advance(cut_position_, std::as_const(*open_).marks());
  committed_events_ = 0;
  committed_bytes_ = 0;
  idle_last_ = false;
  due_ = SteadyTime::max();
  next_idle_cut_ = parts_.clock.now() + kIdleInterval;
  DF_CHECK(parts_.out.try_push(std::move(open_)), "the queue behind the intake is as long as the pool");
  parts_.pushed();
}

}  // namespace deltaforge::pipeline
