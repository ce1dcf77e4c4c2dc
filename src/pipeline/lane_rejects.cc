// What a lane does about single rows that its sink refuses, and about rows that wait behind them.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "core/event_id.h"
#include "obs/log.h"
#include "pipeline/lane.h"

namespace deltaforge::pipeline {
namespace {

constexpr std::chrono::milliseconds kRefusedInterval{2'000};  // a refused row is offered again this often

std::string describe(const Batch& batch, const Reject& reject) {
  const Event& event = batch.event(reject.event);
  return fmt::format("event {} of table {} is refused ({}): {}",
                     to_string(event_id(batch.commits()[event.commit], event)), event.schema->full_name, reject.kind,
                     reject.reason);
}

void insert(std::vector<std::uint32_t>& to, std::uint32_t event) {
  const auto at = std::ranges::lower_bound(to, event);
  if (at == to.end() || *at != event) to.insert(at, event);
}

// Takes the events of `out`, ascending, out of the ranges.
void leave_out(std::vector<EventRange>& ranges, const std::vector<std::uint32_t>& out) {
  std::vector<EventRange> left;
  for (EventRange range : ranges) {
    for (auto i = std::ranges::lower_bound(out, range.first); i != out.end() && *i < range.last; ++i) {
      if (*i > range.first) left.push_back({range.first, *i});
      range.first = *i + 1;
    }
    if (range.first < range.last) left.push_back(range);
  }
  ranges = std::move(left);
}

}  // namespace

// Sinks that hold positions never say that a batch was delivered up to a row: their position would pass it.
void Lane::note_refusal(Slot& stuck, Reject reject, bool undone, SteadyTime now) {
  const bool again = stuck.reject && stuck.reject->event == reject.event;
  if (!undone) {
    std::vector<EventRange>& ranges = stuck.delivery.ranges;
    std::erase_if(ranges, [&](EventRange range) { return range.last <= reject.event; });
    DF_CHECK(!ranges.empty() && ranges.front().first <= reject.event, "a refused row is one that was sent");
    ranges.front().first = reject.event;
    stuck.begun = true;
    const std::uint64_t before = stuck.events;
    settle(stuck);
    parts_.probe.sent(before - stuck.events);
  }
  stuck.state = State::refused;
  stuck.undone = undone;
  stuck.reject = std::move(reject);
  stuck.again_at = parts_.desk ? now : now + kRefusedInterval;
  if (!again) parts_.probe.rejected(stuck.reject->kind);
  if (parts_.desk) return;  // it is taken care of in the same step
  if (!failing_since_) failing_since_ = now;
  complain(stuck, {});
}

void Lane::complain(const Slot& stuck, const std::string& why) {
  std::string text = describe(*stuck.delivery.batch, *stuck.reject);
  if (!why.empty()) text += "; " + why;
  if (!parts_.desk) text += " (change the sink's settings or the row; or set such rows aside: journal.enabled)";
  set_trouble(text);
  obs::log_limited(obs::Level::error, id(), "a row cannot be delivered and blocks its sink",
                   {{"pipeline", parts_.context.pipeline}, {"sink", id()}, {"error", text}});
}

// With a journal a refused row is set aside once it is the first that is not delivered. Otherwise it blocks: it is
// offered again, first, and nothing behind it was sent or is sent before it is taken. What was delivered before it is
// not sent again.
void Lane::take_refused(SteadyTime now) {
  for (std::size_t i = 0; i < used_; ++i) {
    Slot& stuck = slot(i);
    if (stuck.state != State::refused || now < stuck.again_at) continue;
    if (i > 0 && !stuck.undone) return;                // those before it have no answer yet
    if (i > 0 && parts_.desk) return begin_anew(now);  // those before it go alone, then it is offered again
    if (parts_.desk) {
      const auto why = keep(i, *stuck.reject);
      if (!why) return go_on_without(stuck, now);
      complain(stuck, *why);
    }
    // A new client may know a new limit.
    return close(now, trouble().value_or(describe(*stuck.delivery.batch, *stuck.reject)));
  }
}

// Nothing: the row is a dead letter now. Otherwise why not.
std::optional<std::string> Lane::keep(std::size_t i, const Reject& reject) {
  Slot& of = slot(i);
  if (auto why = parts_.desk->keep(*of.delivery.batch, reject, base(i), orders_of(of), positions_of(of))) return why;
  insert(of.set_aside, reject.event);
  const std::string text = describe(*of.delivery.batch, reject);
  if (of.replay && of.why.empty()) of.why = text;
  obs::log_limited(obs::Level::warn, id(), "a row cannot be delivered: it is a dead letter now",
                   {{"pipeline", parts_.context.pipeline}, {"sink", id()}, {"error", text}});
  return std::nullopt;
}

bool Lane::set_aside(const Delivery& delivery, const Reject& reject) {
  for (std::size_t i = 0; i < used_; ++i) {
    if (&slot(i).delivery != &delivery) continue;
    const std::size_t before = slot(i).set_aside.size();
    if (keep(i, reject)) return false;
    slot(i).events -= slot(i).set_aside.size() - before;
    parts_.probe.rejected(reject.kind);
    return true;
  }
  return false;
}

// The sink that refused a row sends nothing more: a new one goes on.
void Lane::begin_anew(SteadyTime now) {
  sink_.reset();
  ++generation_;
  is_open_ = false;
  more_ = false;
  open_at_ = std::max(now, hold_off_);
  failing_since_.reset();
  if (hold_off_ > now) {
    failing_since_ = now;
    set_trouble(fmt::format("the far side wants to be left alone for {:.0f} s more",
                            std::chrono::duration<double>(hold_off_ - now).count()));
  }
  for (std::size_t i = 0; i < used_; ++i)
    if (slot(i).state != State::held) slot(i).state = State::unsent;
}

void Lane::go_on_without(Slot& stuck, SteadyTime now) {
  begin_anew(now);
  stuck.reject.reset();
  if (stuck.begun)
    screen(stuck, position_, now);  // it is the first; the others are prepared anew when the sink is open
}

// Takes what is not for the sink now out of the ranges: rows that are dead letters, and those that wait behind one.
void Lane::screen(Slot& fresh, const Position& base, SteadyTime now) {
  Delivery& delivery = fresh.delivery;
  std::vector<std::uint32_t> out = fresh.set_aside;
  for (const std::uint32_t event : fresh.waiting) insert(out, event);
  const bool is_head = fresh.replay && fresh.replay->kind == Replay::Kind::letter;
  if (parts_.desk && (!parts_.desk->is_clear() || fresh.replay) && !is_head) {
    for (const EventRange range : delivery.ranges) {
      std::vector<std::uint32_t> found;
      const bool released = fresh.replay && fresh.replay->kind == Replay::Kind::release;
      const bool beyond = fresh.replay || replay_behind(fresh) || parts_.desk->has_later();
      const auto why =
          parts_.desk->screen({*delivery.batch, base, orders_of(fresh), released, beyond, positions_of(fresh)},
                              range.first, range.last, found);
      if (!why) {
        for (const std::uint32_t event : found) {
          if (!std::ranges::binary_search(fresh.set_aside, event)) insert(fresh.waiting, event);
          insert(out, event);
        }
        continue;
      }
      fresh.state = State::held;
      fresh.again_at = now + kRefusedInterval;
      if (!failing_since_) failing_since_ = now;
      set_trouble(*why);
      return;
    }
  }
  if (!out.empty()) leave_out(delivery.ranges, out);
  settle(fresh);
}

void Lane::look_at(std::size_t i, SteadyTime now) {
  if (slot(i).begun)
    screen(slot(i), base(i), now);
  else
    prepare(slot(i), base(i), now);
}

// In order: what waits is parked in order, too.
void Lane::look_at_held(SteadyTime now) {
  for (std::size_t i = 0; i < used_; ++i) {
    if (slot(i).state != State::held) continue;
    if (now < slot(i).again_at) return;
    look_at(i, now);
    if (slot(i).state == State::held) return;
    failing_since_.reset();
  }
}

}  // namespace deltaforge::pipeline
