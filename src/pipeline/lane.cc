#include "pipeline/lane.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "core/event_id.h"
#include "obs/log.h"
#include "pipeline/supervisor.h"

namespace deltaforge::pipeline {
namespace {
using std::chrono::milliseconds;
constexpr milliseconds kFirstBackoff{100}, kBackoffCap{5'000};
constexpr milliseconds kRefusedInterval{2'000};  // a refused row is offered again this often
constexpr std::chrono::seconds kDetachAfter{5};
constexpr std::chrono::seconds kProbeInterval{5};  // of a detached sink

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Commit times; 0: nothing but position-only records.
std::int64_t oldest_us(const Batch& batch) {
  for (const Commit& commit : batch.commits())
    if (commit.ts_us != 0) return commit.ts_us;
  return 0;
}

}  // namespace

Lane::Lane(Parts parts, std::size_t queue_depth)
    : parts_(std::move(parts)),
      queue_(queue_depth),
      backoff_(kFirstBackoff, kBackoffCap, parts_.seed),
      slots_(kMaxWindow) {
  parts_.context.slabs = &slabs_;
  parts_.context.positions = &parts_.codec;
  parts_.context.wake = [this] { bell_.ring(); };
  parts_.context.count_bytes = [this](std::uint64_t count) {
    parts_.probe.bytes(count);
    progress_at_ = parts_.clock.now();
  };
  parts_.context.trouble = [this](std::string why) {
    std::lock_guard lock(mutex_);
    client_trouble_ = std::move(why);
  };
  build();
}

Lane::~Lane() { close(); }

void Lane::close() { sink_.reset(); }

void Lane::build() {
  sink_ = parts_.maker.build(parts_.context);
  holds_position_ = sink_->holds_position();
  window_ = std::clamp<std::size_t>(sink_->window(), 1, kMaxWindow);
}

std::optional<Position> Lane::held() const {
  std::lock_guard lock(mutex_);
  return held_;
}

void Lane::begin(const Position& position) {
  {
    std::lock_guard lock(mutex_);
    begin_ = position;
  }
  bell_.ring();
}

double Lane::lag_seconds() const {
  std::int64_t oldest = oldest_us_.load(std::memory_order_relaxed);
  return oldest == 0 ? 0 : std::max(0.0, static_cast<double>(parts_.clock.wall_us() - oldest) / 1e6);
}

std::optional<std::string> Lane::trouble() const {
  std::lock_guard lock(mutex_);
  return trouble_;
}

void Lane::set_trouble(std::optional<std::string> why) {
  std::lock_guard lock(mutex_);
  if (why && !client_trouble_.empty()) *why += ": " + client_trouble_;
  trouble_ = std::move(why);
}

bool Lane::offer(const BatchRef& batch) {
  if (detached()) return true;
  if (!queue_.try_push(BatchRef(batch))) return false;
  if (oldest_us_.load(std::memory_order_relaxed) == 0) oldest_us_.store(oldest_us(*batch), std::memory_order_relaxed);
  bell_.ring();
  return true;
}

void Lane::complete(std::uint64_t generation, BatchSeq seq, Outcome&& outcome) noexcept {
  {
    std::lock_guard lock(mutex_);
    answers_.push_back({generation, seq, std::move(outcome)});
  }
  bell_.ring();
}

SteadyTime Lane::step() {
  SteadyTime now = parts_.clock.now();
  {
    std::lock_guard lock(mutex_);
    if (begin_) {
      position_ = std::move(*begin_);
      begin_.reset();
      started_ = true;
    }
  }
  take_answers(now);
  retire();
  if (!is_open_ && now >= open_at_) open(now);
  if (is_open_ && used_ > 0 && slot(0).state == State::refused && now >= slot(0).again_at)
    close(now, trouble().value_or("a row is refused"));  // a new client may know a new limit
  if (is_open_ && started_ && !detached()) {
    accept(now);
    move_sink(now);
    take_answers(now);
    retire();
  }
  watch(now);
  return next_call();
}

void Lane::move_sink(SteadyTime now) {
  try {
    send_unsent(now);
    more_ = sink_->poll();
  } catch (const Error& error) {
    if (!retried_inside(error.kind())) throw;
    close(now, error.what());
  }
}

void Lane::open(SteadyTime now) {
  if (sink_ == nullptr) build();
  try {
    auto held = sink_->open();
    was_given_ = was_given_ || held.has_value();
    if (started_) {
      resume_from(std::move(held));
    } else {
      std::lock_guard lock(mutex_);
      held_ = std::move(held);
    }
  } catch (const Error& error) {
    if (!retried_inside(error.kind())) throw;
    close(now, error.what());
    return;
  }
  is_open_ = true;
  if (!opened_.exchange(true, std::memory_order_acq_rel)) parts_.opened();
  if (detached()) {
    wants_rejoin_.store(true, std::memory_order_release);
    parts_.rejoin();
    return;
  }
  prepare_all();
}

// A sink that holds positions may have got further than its receipts said; it must never have fallen back.
void Lane::resume_from(std::optional<Position> held) {
  if (!holds_position_) return;
  bool fallen = held ? !parts_.algebra.equal(parts_.algebra.meet(position_, *held), position_) : was_given_;
  if (fallen)
    throw Error(ErrorKind::sink_state,
                fmt::format("sink '{}' has lost data that it had acknowledged: it stands at {}, it had reached {}",
                            id(), held ? parts_.algebra.show(*held) : "nothing", parts_.algebra.show(position_)),
                "restore the sink's data, or resume the pipeline to begin again from what the sink holds");
  if (held) position_ = std::move(*held);
}

// The sink is given up: what it had in flight is sent again by the next one.
void Lane::close(SteadyTime now, const std::string& why) {
  retire();
  sink_.reset();
  ++generation_;
  is_open_ = false;
  more_ = false;
  if (!failing_since_) failing_since_ = now;
  open_at_ = now + (detached() ? Duration(kProbeInterval) : Duration(backoff_.next()));
  for (std::size_t i = 0; i < used_; ++i) slot(i).state = State::unsent;
  parts_.probe.failed();
  parts_.probe.reconnected();
  {
    std::lock_guard lock(mutex_);
    client_trouble_.clear();
  }
  set_trouble(why);
  obs::log_limited(obs::Level::warn, id(), "sink failed, trying again",
                   {{"pipeline", parts_.context.pipeline}, {"sink", id()}, {"error", why}});
}

void Lane::take_answers(SteadyTime now) {
  {
    std::lock_guard lock(mutex_);
    taken_.swap(answers_);
  }
  for (Answer& answer : taken_) {
    if (answer.generation != generation_) continue;  // of a sink that was given up
    std::size_t i = 0;
    while (i < used_ && slot(i).delivery.batch->seq != answer.seq) ++i;
    DF_CHECK(i < used_, "a receipt of a batch that is not in flight");
    Slot& answered = slot(i);
    if (answer.outcome.fault) {
      const Fault& fault = *answer.outcome.fault;
      if (fault.fatal) throw Error(fault.kind, fmt::format("sink '{}': {}", id(), fault.message), fault.hint);
      close(now, fault.hint.empty() ? fault.message : fmt::format("{} ({})", fault.message, fault.hint));
      continue;
    }
    if (answer.outcome.refused)
      note_refusal(answered, *answer.outcome.refused, now);
    else
      answered.state = State::delivered;
  }
  taken_.clear();
}

// Without dead letters a row that is refused blocks: it is offered again, first, and nothing behind it was sent or is
// sent before it is taken. What was delivered before it is not sent again. Sinks that hold positions never answer so:
// their position would pass the row.
void Lane::note_refusal(Slot& stuck, const Reject& reject, SteadyTime now) {
  std::vector<EventRange>& ranges = stuck.delivery.ranges;
  const bool again = stuck.begun && ranges.front().first == reject.event;
  std::erase_if(ranges, [&](EventRange range) { return range.last <= reject.event; });
  DF_CHECK(!ranges.empty() && ranges.front().first <= reject.event, "a refused row is one that was sent");
  ranges.front().first = reject.event;
  stuck.state = State::refused;
  stuck.begun = true;
  stuck.again_at = now + kRefusedInterval;
  if (!failing_since_) failing_since_ = now;
  if (!again) parts_.probe.rejected(1);

  const Batch& batch = *stuck.delivery.batch;
  const Event& event = batch.event(reject.event);
  std::string why =
      fmt::format("event {} of table {} is refused ({}): {}", to_string(event_id(batch.commits()[event.commit], event)),
                  event.schema->full_name, reject.kind, reject.reason);
  set_trouble(why);
  obs::log_limited(obs::Level::error, id(), "a row cannot be delivered and blocks its sink",
                   {{"pipeline", parts_.context.pipeline}, {"sink", id()}, {"error", why}});
}

void Lane::retire() {
  bool any = false;
  while (used_ > 0 && slot(0).state == State::delivered) {
    Slot& done = slot(0);
    position_ = done.delivery.after;
    was_given_ = was_given_ || !done.skipped;
    // A sink that holds positions and was given nothing holds none: a checkpoint would say that it has lost it.
    if (!holds_position_ || was_given_) parts_.ledger.delivered(parts_.index, position_);
    const Batch& batch = *done.delivery.batch;
    if (batch.size() > 0 && !batch.commits().empty()) {
      const SteadyTime now = parts_.clock.now();
      parts_.probe.delivered(batch.size(), batch.cut, seconds(now - done.since));
      if (parts_.awaited && batch.acknowledged()) parts_.probe.delivered_to_all(seconds(now - batch.received));
    }
    done.delivery.batch = BatchRef();
    head_ = (head_ + 1) % slots_.size();
    --used_;
    in_flight_.store(used_, std::memory_order_release);
    any = true;
  }
  if (!any) return;
  retired_at_ = parts_.clock.now();
  backoff_.reset();
  failing_since_.reset();
  parts_.retired();
}

void Lane::accept(SteadyTime now) {
  BatchRef batch;
  while (used_ < window_) {
    in_flight_.store(used_ + 1, std::memory_order_release);  // before it leaves the queue: see empty()
    if (!queue_.try_pop(batch)) break;
    Slot& fresh = slot(used_);
    fresh.delivery.batch = std::move(batch);
    fresh.since = now;
    fresh.begun = false;
    prepare(fresh, used_ == 0 ? position_ : slot(used_ - 1).delivery.after);
    ++used_;
    parts_.freed();
  }
  in_flight_.store(used_, std::memory_order_release);
}

// Decides per commit what the sink still needs, standing at `base`.
void Lane::prepare(Slot& fresh, const Position& base) {
  Delivery& delivery = fresh.delivery;
  const Batch& batch = *delivery.batch;
  delivery.ranges.clear();
  delivery.filter = parts_.maker.filter ? &*parts_.maker.filter : nullptr;
  bool all_covered = true, any_event = false;
  for (const Commit& commit : batch.commits()) {
    if (parts_.algebra.covers(base, commit.mark)) continue;
    all_covered = false;
    if (commit.first == commit.last) continue;
    for (std::uint32_t i = commit.first; i < commit.last && !any_event; ++i) any_event = delivery.wants(batch.event(i));
    if (!delivery.ranges.empty() && delivery.ranges.back().last == commit.first)
      delivery.ranges.back().last = commit.last;
    else
      delivery.ranges.push_back({commit.first, commit.last});
  }
  delivery.after = base;
  if (!all_covered) parts_.algebra.advance(delivery.after, batch.marks());
  bool needed = any_event || (holds_position_ && !all_covered);
  fresh.skipped = all_covered;
  fresh.state = needed ? State::unsent : State::delivered;
}

// After a new sink was opened: it may hold more than was known here. Of a batch with a refused row its rest is left.
void Lane::prepare_all() {
  for (std::size_t i = 0; i < used_; ++i)
    if (!slot(i).begun) prepare(slot(i), i == 0 ? position_ : slot(i - 1).delivery.after);
}

void Lane::send_unsent(SteadyTime now) {
  for (std::size_t i = 0; i < used_; ++i) {
    Slot& next = slot(i);
    if (next.state == State::unsent) {
      next.state = State::sending;
      next.sent_at = now;
      sink_->send(next.delivery, Receipt(*this, generation_, next.delivery.batch->seq));
    }
    if (next.begun && next.state != State::delivered) return;  // nothing passes a refused row
  }
}

// When the oldest batch in flight is given up.
std::optional<SteadyTime> Lane::due() const {
  if (!parts_.deadline || !is_open_ || used_ == 0 || slot(0).state != State::sending) return std::nullopt;
  return std::max(slot(0).sent_at, retired_at_) + *parts_.deadline;
}

// Notices a sink that does not move: shows it, gives it up at the deadline, and detaches it where the policy allows.
void Lane::watch(SteadyTime now) {
  if (detached()) return;
  if (auto end = due(); end && now >= *end) {
    parts_.probe.timed_out();
    close(now,
          fmt::format("a batch was not acknowledged within sink_batch_deadline_secs ({} s)", parts_.deadline->count()));
  }
  if (is_open_ && used_ == 0) failing_since_.reset();
  if (is_open_ && used_ > 0 && slot(0).state == State::sending) {
    SteadyTime moved = std::max(slot(0).sent_at, progress_at_);
    if (now - moved >= sink_->patience()) {
      if (!failing_since_) failing_since_ = moved;
      set_trouble(fmt::format("a batch waits for its acknowledgement since {:.0f} s", seconds(now - slot(0).since)));
    }
  }
  if (!failing_since_) set_trouble(std::nullopt);
  parts_.probe.behind(used_ > 0 || queue_.size() > 0);
  if (used_ > 0)
    oldest_us_.store(oldest_us(*slot(0).delivery.batch), std::memory_order_relaxed);
  else if (queue_.size() == 0)
    oldest_us_.store(0, std::memory_order_relaxed);
  if (failing_since_ && now - *failing_since_ >= kDetachAfter && queue_.size() == queue_.capacity() &&
      parts_.ledger.may_detach(parts_.index))
    detach();
}

// Drops all batches and lets the others go on; the position stays, and the source's log is held for it.
void Lane::detach() {
  obs::warn("sink detached: it does not answer and the commit policy does without it; its position is kept",
            {{"pipeline", parts_.context.pipeline}, {"sink", id()}});
  detached_.store(true, std::memory_order_release);
  parts_.ledger.detach(parts_.index);
  close(parts_.clock.now(), trouble().value_or("it does not answer"));
  for (std::size_t i = 0; i < used_; ++i) slot(i).delivery.batch = BatchRef();
  used_ = 0;
  in_flight_.store(0, std::memory_order_release);
  BatchRef dropped;
  while (queue_.try_pop(dropped)) dropped = BatchRef();
  parts_.freed();
}

SteadyTime Lane::next_call() const {
  if (more_ || (is_open_ && started_ && !detached() && used_ < window_ && queue_.size() > 0)) return SteadyTime{};
  if (!is_open_) return open_at_;
  if (used_ == 0) return SteadyTime::max();
  const Slot& front = slot(0);
  if (front.state == State::refused) return front.again_at;
  // The status is looked at when a batch becomes overdue, then each second.
  SteadyTime now = parts_.clock.now();
  SteadyTime look = std::max(front.sent_at + sink_->patience(), now + std::chrono::seconds(1));
  return std::min(look, due().value_or(look));
}

}  // namespace deltaforge::pipeline
