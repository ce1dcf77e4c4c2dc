// What a lane does about replays: kept events on their way again, between the batches of the stream.
#include <algorithm>
#include <chrono>
#include <utility>

#include "obs/log.h"
#include "pipeline/lane.h"

namespace deltaforge::pipeline {
namespace {

constexpr const char* kDetached = "its sink is detached";

void refuse(const Replay& replay, std::string why) { replay.done({{}, {}, std::move(why), false}); }

// Also of a sink that is detached.
bool is_kept(const Replay& replay) { return replay.kind == Replay::Kind::passed_on; }

}  // namespace

// A replay on its way that would make room, but may not go before this batch.
bool Lane::replay_behind(const Slot& of) const {
  bool found = false, is_behind = false;
  for (std::size_t i = 0; i < used_; ++i) {
    is_behind = is_behind || (found && slot(i).replay);
    found = found || &slot(i) == &of;
  }
  return is_behind;
}

// Others may wait for this lane: what is released next goes to all when this has gone to all.
bool Lane::has_passed_on() const {
  for (std::size_t i = 0; i < used_; ++i)
    if (slot(i).replay && is_kept(*slot(i).replay)) return true;
  std::lock_guard lock(mutex_);
  return std::ranges::any_of(replays_, is_kept);
}

void Lane::replay(Replay replay) {
  {
    std::lock_guard lock(mutex_);
    if (!detached() || is_kept(replay)) {
      if (replay.kind == Replay::Kind::passed_on) replay.behind = offered_.load(std::memory_order_acquire);
      replays_.push_back(std::move(replay));
      bell_.ring();
      return;
    }
  }
  refuse(replay, kDetached);
}

void Lane::note_change() {
  if (!parts_.desk) return;
  parts_.desk->note_change();
  bell_.ring();
}

void Lane::accept_replays(SteadyTime now) {
  if (!parts_.desk) return;
  if (parts_.desk->is_changed())  // fewer rows may have to wait now
    for (std::size_t i = 0; i < used_; ++i) slot(i).again_at = std::min(slot(i).again_at, now);
  while (used_ < slots_.size()) {
    auto replay = next_replay();
    if (!replay) return;
    const std::size_t i = place_of(*replay);
    Slot& fresh = insert_slot(i, replay->batch, now);
    fresh.replay = std::move(replay);
    prepare(fresh, base(i), now);
    for (std::size_t at = 0; at < i; ++at) slot(at).again_at = std::min(slot(at).again_at, now);  // see replay_behind()
  }
}

// Behind all others; but before what cannot be sent until a replay has made room, where it is older than that: after a
// restart the log shows once more what is kept.
std::size_t Lane::place_of(const Replay& replay) const {
  if (replay.behind > 0) return used_;
  const auto is_older = [&](std::size_t than) {
    while (than < used_ && slot(than).delivery.batch->marks().empty()) ++than;
    if (than == used_) return true;
    const Order first = parts_.desk->place_of(*slot(than).delivery.batch, 0);
    return std::ranges::all_of(replay.orders, [&](const Order& order) { return order < first; });
  };
  const bool is_blocked = used_ > 0 && slot(0).begun && slot(0).reject && slot(0).state == State::unsent;
  if (is_blocked && is_older(0)) return 0;
  std::size_t held = 0;
  while (held < used_ && slot(held).state != State::held) ++held;
  return is_older(held) ? held : used_;
}

std::optional<Replay> Lane::next_replay() {
  if (!parts_.desk) return std::nullopt;
  Order bound = kBehindAll;
  for (std::size_t i = 0; i < used_ && bound == kBehindAll; ++i)
    if (const Batch& batch = *slot(i).delivery.batch; slot(i).state == State::held && !batch.marks().empty())
      bound = parts_.desk->place_of(batch, 0);
  if (auto released = parts_.desk->release(bound))
    return Replay{.batch = BatchRef(std::move(released->batch)),
                  .kind = Replay::Kind::release,
                  .orders = std::move(released->orders),
                  .done = std::move(released->done)};
  std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(replays_, [&](const Replay& each) {
    if (each.kind == Replay::Kind::passed_on) return each.behind <= taken_batches_;
    return !parts_.desk->is_ahead(*each.batch) && !parts_.desk->is_behind(*each.batch, each.orders);
  });
  if (found == replays_.end()) return std::nullopt;
  std::optional<Replay> next = std::move(*found);
  replays_.erase(found);
  return next;
}

// The sink is detached. What is its own stays in the journal; what goes to every sink is put off, see below.
void Lane::drop_replays() {
  std::deque<Replay> dropped, kept;
  const auto sort_out = [&](Replay& each) { (is_kept(each) ? kept : dropped).push_back(std::move(each)); };
  for (std::size_t i = 0; i < used_; ++i)
    if (slot(i).replay) sort_out(*slot(i).replay);
  {
    std::lock_guard lock(mutex_);
    std::ranges::for_each(replays_, sort_out);
    replays_ = std::move(kept);
  }
  for (const Replay& each : dropped) refuse(each, kDetached);
}

// While the sink is detached: the others have it, and it must not be asked of them again.
void Lane::put_off_replays() {
  for (;;) {
    std::optional<Replay> next;
    {
      std::lock_guard lock(mutex_);
      put_off_failed_ = false;
      if (replays_.empty()) return;
      next = std::move(replays_.front());
      replays_.pop_front();
    }
    if (const auto why = lost() ? std::nullopt : parts_.desk->put_off(*next)) {
      obs::log_limited(obs::Level::error, id(), "a detached sink misses an event of a retry, trying again",
                       {{"pipeline", parts_.context.pipeline}, {"sink", id()}, {"error", *why}});
      std::lock_guard lock(mutex_);
      replays_.push_front(std::move(*next));
      put_off_failed_ = true;
      return;
    }
    next->done({});
  }
}

}  // namespace deltaforge::pipeline
