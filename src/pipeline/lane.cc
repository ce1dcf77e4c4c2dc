#include "pipeline/lane.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "obs/log.h"
#include "pipeline/supervisor.h"

namespace deltaforge::pipeline {
namespace {
using std::chrono::milliseconds;
constexpr milliseconds kFirstBackoff{100}, kBackoffCap{5'000};
constexpr std::chrono::seconds kProbeInterval{5};  // of a detached sink

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Commit times; 0: nothing but position-only records.
std::int64_t oldest_us(const Batch& batch) {
  for (const Commit& commit : batch.commits())
    if (commit.ts_us != 0) return commit.ts_us;
  return 0;
}

std::uint64_t count_wanted(const Delivery& delivery, EventRange range, bool whole) {
  if (whole && delivery.filter == nullptr) return range.last - range.first;
  std::uint64_t count = 0;
  for (std::uint32_t i = range.first; i < range.last; ++i)
    if (delivery.wants(delivery.batch->event(i))) ++count;
  return count;
}

// Of events in ascending order.
std::uint64_t count_between(const std::vector<std::uint32_t>& events, EventRange range) {
  const auto first = std::ranges::lower_bound(events, range.first);
  return static_cast<std::uint64_t>(std::ranges::lower_bound(events, range.last) - first);
}

}  // namespace

Lane::Lane(Parts parts, std::size_t queue_depth)
    : parts_(std::move(parts)),
      queue_(queue_depth),
      backoff_(kFirstBackoff, kBackoffCap, parts_.seed),
      slots_(kMaxWindow + kReplays) {
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
  parts_.context.hold_off = [this](SteadyTime until) { hold_off_ = std::max(hold_off_, until); };
  if (parts_.lost)
    lose();
  else
    build();
}

Lane::~Lane() { close(); }

void Lane::close() { sink_.reset(); }

void Lane::build() {
  sink_ = parts_.maker.build(parts_.context);
  holds_position_.store(sink_->holds_position(), std::memory_order_relaxed);
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
  if (detached()) return 0;
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

bool Lane::offer(const BatchRef& batch, bool whole) {
  if (detached()) return true;
  if (!queue_.try_push(Offered(batch, whole))) return false;
  offered_.fetch_add(1, std::memory_order_release);
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
  if (lost()) {
    drop_queue();
    put_off_replays();
    sink_.reset();
    ++generation_;
    is_open_ = false;
    return SteadyTime::max();
  }
  SteadyTime now = parts_.clock.now();
  bool begins = false;
  {
    std::lock_guard lock(mutex_);
    if (begin_) {
      position_ = std::move(*begin_);
      begin_.reset();
      begins = true;
    }
  }
  if (begins) {
    if (parts_.desk) parts_.desk->begin(position_);
    started_ = true;
  }
  take_answers(now);
  retire();
  if (!is_open_ && now >= open_at_) open(now);
  if (is_open_ && detached() && !wants_rejoin_.exchange(true, std::memory_order_acq_rel)) {
    set_trouble("it answers again, and catches up at the next restart of the source");
    parts_.rejoin();
  }
  if (is_open_) take_refused(now);
  if (is_open_ && started_ && !detached()) {
    accept_replays(now);
    look_at_held(now);
    accept(now);
    move_sink(now);
    take_answers(now);
    retire();
  }
  watch(now);
  if (detached()) {
    drop_queue();  // one may have been offered while it detached
    put_off_replays();
  }
  stuck_.store(is_stuck(), std::memory_order_release);
  return next_call();
}

void Lane::move_sink(SteadyTime now) {
  try {
    note_unsent();
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
  if (opened_.exchange(true, std::memory_order_acq_rel))
    parts_.probe.reconnected();
  else
    parts_.opened();
  if (!detached()) prepare_all(now);
}

// A sink that holds positions may have got further than its receipts said; it must never have fallen back.
void Lane::resume_from(std::optional<Position> held) {
  if (!holds_position()) return;
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
  open_at_ = std::max(now + (detached() ? Duration(kProbeInterval) : Duration(backoff_.next())), hold_off_);
  for (std::size_t i = 0; i < used_; ++i)
    if (slot(i).state != State::held) slot(i).state = State::unsent;
  parts_.probe.failed();
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
      note_refusal(answered, std::move(*answer.outcome.refused), answer.outcome.undone, now);
    else
      answered.state = State::delivered;
  }
  taken_.clear();
}

void Lane::retire() {
  bool any = false;
  while (used_ > 0 && slot(0).state == State::delivered) {
    Slot& done = slot(0);
    parts_.probe.sent(done.events);
    if (done.replay) {
      done.replay->done({std::move(done.set_aside), std::move(done.waiting), std::move(done.why)});
      pop_front();
      any = true;
      continue;
    }
    position_ = done.delivery.after;
    was_given_ = was_given_ || !done.skipped;
    // A sink that holds positions and was given nothing holds none: a checkpoint would say that it has lost it.
    if (!holds_position() || was_given_) parts_.ledger.delivered(parts_.index, position_);
    const Batch& batch = *done.delivery.batch;
    if (batch.size() > 0 && !batch.commits().empty()) {
      const SteadyTime now = parts_.clock.now();
      if (done.events > 0 || done.begun)
        parts_.probe.delivered(batch.cut, seconds(now - done.sent_at), seconds(now - done.since));
      if (parts_.awaited && batch.acknowledged()) parts_.probe.delivered_to_all(seconds(now - batch.received));
    }
    pop_front();
    any = true;
  }
  if (!any) return;
  if (parts_.desk) parts_.desk->passed(position_);
  retired_at_ = parts_.clock.now();
  backoff_.reset();
  if (used_ == 0 || slot(used_ - 1).state != State::held) failing_since_.reset();
  parts_.retired();
}

std::span<const Order> Lane::orders_of(const Slot& slot) {
  return slot.replay ? std::span<const Order>(slot.replay->orders) : std::span<const Order>();
}

std::span<const std::string> Lane::positions_of(const Slot& slot) {
  return slot.replay ? std::span<const std::string>(slot.replay->positions) : std::span<const std::string>();
}

void Lane::pop_front() {
  slot(0).delivery.batch = BatchRef();
  slot(0).replay.reset();
  head_ = (head_ + 1) % slots_.size();
  --used_;
  in_flight_.store(used_, std::memory_order_release);
}

// A slot for a new batch at place `i`; nothing from there on is at the sink.
Slot& Lane::insert_slot(std::size_t i, BatchRef batch, SteadyTime now) {
  for (std::size_t at = used_; at > i; --at) std::swap(slot(at), slot(at - 1));
  Slot& fresh = slot(i);
  fresh.delivery.batch = std::move(batch);
  fresh.state = State::unsent;
  fresh.begun = fresh.undone = fresh.whole = false;
  fresh.replay.reset();
  fresh.reject.reset();
  fresh.set_aside.clear();
  fresh.waiting.clear();
  fresh.why.clear();
  fresh.events = 0;
  fresh.since = now;
  in_flight_.store(++used_, std::memory_order_release);
  return fresh;
}

void Lane::accept(SteadyTime now) {
  Offered next;
  for (;;) {
    accept_replays(now);  // each time: some come between two batches
    if (used_ >= window_ || (used_ > 0 && slot(used_ - 1).state == State::held)) break;
    in_flight_.store(used_ + 1, std::memory_order_release);  // before it leaves the queue: see empty()
    if (!queue_.try_pop(next)) break;
    ++taken_batches_;
    const std::size_t i = used_;
    Slot& fresh = insert_slot(i, std::move(next.first), now);
    fresh.whole = next.second;
    prepare(fresh, base(i), now);
    parts_.freed();
  }
  in_flight_.store(used_, std::memory_order_release);
}

// Decides per commit what the sink still needs, standing at `base`.
void Lane::prepare(Slot& fresh, const Position& base, SteadyTime now) {
  Delivery& delivery = fresh.delivery;
  const Batch& batch = *delivery.batch;
  delivery.ranges.clear();
  delivery.filter = parts_.maker.filter ? &*parts_.maker.filter : nullptr;
  delivery.desk = parts_.desk && !parts_.desk->parks() ? this : nullptr;
  bool all_covered = true;
  fresh.stretch = {};
  for (const Commit& commit : batch.commits()) {
    if (!fresh.replay && parts_.algebra.covers(base, commit.mark)) continue;
    all_covered = false;
    if (commit.first == commit.last) continue;
    if (fresh.stretch.commits++ == 0) fresh.stretch.first = commit.id_hash;
    fresh.stretch.last = commit.id_hash;
    fresh.stretch_end = commit.mark;
    if (!delivery.ranges.empty() && delivery.ranges.back().last == commit.first)
      delivery.ranges.back().last = commit.last;
    else
      delivery.ranges.push_back({commit.first, commit.last});
  }
  delivery.after = base;
  if (!all_covered && !fresh.replay) parts_.algebra.advance(delivery.after, batch.marks());
  fresh.skipped = all_covered;
  screen(fresh, base, now);
}

// Whether anything is left to send, and how much. What the sink is found to hold already was sent before, or never
// here.
void Lane::settle(Slot& fresh) {
  std::uint64_t events = 0;
  for (const EventRange range : fresh.delivery.ranges)
    events += count_wanted(fresh.delivery, range, fresh.whole) - count_between(fresh.set_aside, range);
  if (!fresh.skipped) fresh.events = events;
  const bool needed = events > 0 || (holds_position() && !fresh.skipped && !fresh.replay);
  fresh.state = needed ? State::unsent : State::delivered;
}

// After a new sink was opened: it may hold more than was known here. Of a batch with a refused row its rest is left,
// less what was set aside since.
void Lane::prepare_all(SteadyTime now) {
  for (std::size_t i = 0; i < used_; ++i) {
    look_at(i, now);
    if (slot(i).state != State::held) continue;
    for (++i; i < used_; ++i) {  // they are looked at when their turn comes
      slot(i).state = State::held;
      slot(i).again_at = now;
    }
  }
}

// Before the first byte of them goes out.
void Lane::note_unsent() {
  if (!parts_.sent || !sink_->wants_same_deliveries()) return;
  for (std::size_t i = 0; i < used_ && i < window_; ++i)
    if (const Slot& next = slot(i); next.state == State::unsent && !next.replay)
      parts_.sent->add(next.stretch, next.stretch_end);
  parts_.sent->store(parts_.ledger.durable(parts_.index));
}

void Lane::send_unsent(SteadyTime now) {
  for (std::size_t i = 0; i < used_ && i < window_; ++i) {
    Slot& next = slot(i);
    if (i > 0 && next.reject) return;  // it was refused: it goes once it is the first
    if (next.state == State::unsent) {
      next.state = State::sending;
      next.sent_at = now;
      sink_->send(next.delivery, Receipt(*this, generation_, next.delivery.batch->seq));
    }
    if ((next.begun || next.state == State::held) && next.state != State::delivered)
      return;  // nothing passes a refused row
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
    oldest_us_.store(slot(0).replay ? 0 : oldest_us(*slot(0).delivery.batch), std::memory_order_relaxed);
  else if (queue_.size() == 0)
    oldest_us_.store(0, std::memory_order_relaxed);
  const bool stuck = failing_since_ && now - *failing_since_ >= Ledger::kDetachAfter &&
                     (queue_.size() == queue_.capacity() || has_passed_on());
  const bool slow = holds_up_.exchange(false, std::memory_order_acq_rel);
  // Whether the journal is the reason, not the sink: it has no room, or cannot be written.
  const bool holds =
      used_ > 0 && parts_.desk && (slot(used_ - 1).state == State::held || slot(0).state == State::refused);
  if ((stuck || slow) && !holds && parts_.ledger.detach(parts_.index))
    detach(stuck ? trouble().value_or("it does not answer")
                 : trouble().value_or("it is slower than the others, which waited for it alone"));
}

void Lane::hold_up() {
  holds_up_.store(true, std::memory_order_release);
  bell_.ring();
}

void Lane::stay_out() {
  detached_.store(true, std::memory_order_release);
  parts_.probe.behind(true);
  bell_.ring();
}

void Lane::lose() {
  lost_.store(true, std::memory_order_release);
  stay_out();
}

// Drops all batches and lets the others go on; the position stays, and the source's log is held for it.
void Lane::detach(const std::string& why) {
  obs::warn("sink detached: the commit policy does without it; its position is kept",
            {{"pipeline", parts_.context.pipeline}, {"sink", id()}, {"error", why}});
  detached_.store(true, std::memory_order_release);
  close(parts_.clock.now(), why);
  drop_replays();
  while (used_ > 0) pop_front();
  in_flight_.store(0, std::memory_order_release);
  drop_queue();
  parts_.freed();
  parts_.retired();
}

void Lane::drop_queue() {
  Offered dropped;
  while (queue_.try_pop(dropped)) dropped = Offered();
}

// With a journal a row that was just refused is about to become a dead letter; only where that failed the sink is
// closed.
bool Lane::is_stuck() const {
  if (used_ == 0) return false;
  const Slot& front = slot(0);
  return front.state == State::held || (front.reject && (!parts_.desk || !is_open_));
}

SteadyTime Lane::next_call() const {
  const bool room = is_open_ && started_ && !detached() && used_ < window_;
  if (more_ || (room && queue_.size() > 0 && (used_ == 0 || slot(used_ - 1).state != State::held))) return SteadyTime{};
  if (put_off_failed_) return parts_.clock.now() + std::chrono::seconds(1);
  if (!is_open_) return open_at_;
  if (room && parts_.desk && parts_.desk->is_changed()) return parts_.clock.now() + std::chrono::seconds(1);
  if (used_ == 0) return SteadyTime::max();
  const Slot& front = slot(0);
  if (front.state == State::refused || front.state == State::held) return front.again_at;
  // The status is looked at when a batch becomes overdue, then each second.
  SteadyTime now = parts_.clock.now();
  SteadyTime look = std::max(front.sent_at + sink_->patience(), now + std::chrono::seconds(1));
  return std::min(look, due().value_or(look));
}

}  // namespace deltaforge::pipeline
