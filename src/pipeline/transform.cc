#include "pipeline/transform.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace deltaforge::pipeline {
namespace {

constexpr std::uint32_t kHintEvery = 4096;
constexpr std::chrono::seconds kAgain{1};  // while the journal is full or cannot be written

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

std::uint64_t count_kept(const Batch& batch) {
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    if (!batch.event(i).dropped) ++count;
    if (i % kHintEvery == 0) batch.passed(i);
  }
  return count;
}

}  // namespace

bool Transform::step() try {
  if (gave_up()) return false;
  if (!current_) {
    {
      std::lock_guard lock(mutex_);
      if (begin_) position_ = *begin_;
      if (begin_)
        for (Step& step : steps_)
          if (step.desk) step.desk->begin(position_);
      begin_.reset();
    }
    if (replay_one()) return true;
    if (parts_.in.size() > 0 && !has_room()) return false;
    BatchPtr batch;
    holding_.store(true, std::memory_order_release);
    if (!parts_.in.try_pop(batch)) {
      holding_.store(false, std::memory_order_release);
      return false;
    }
    parts_.probe.queue_depth(parts_.in.size());
    freeze(std::move(batch));
  }
  if (!hand_over()) return false;
  if (parts_.passed) parts_.passed(*current_);
  current_ = BatchRef();
  holding_.store(false, std::memory_order_release);
  return true;
} catch (const Cancelled&) {
  gave_up_.store(true, std::memory_order_release);
  return false;
}

// False: at least one lane has no room.
bool Transform::hand_over() {
  bool all = true;
  for (std::size_t i = 0; i < parts_.lanes.size(); ++i) {
    if (!taken_[i]) taken_[i] = parts_.lanes[i]->offer(current_, whole_);
    all = all && taken_[i];
  }
  if (!all || slow_.is_waiting()) note_waiting();
  return all;
}

// Optional lanes for which the others wait, and for no other, are told so.
void Transform::note_waiting() {
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < taken_.size(); ++i)
    if (!taken_[i]) waiting.push_back(i);
  const bool without_need = waiting.size() < taken_.size() && parts_.optional &&
                            std::ranges::all_of(waiting, [this](std::size_t i) { return parts_.optional(i); });
  if (!without_need) waiting.clear();
  const auto slow = slow_.note(parts_.clock.now(), std::move(waiting));
  if (parts_.patient && parts_.patient()) return;
  for (const std::size_t lane : slow) parts_.lanes[lane]->hold_up();
}

void Transform::freeze(BatchPtr batch) {
  SteadyTime begin = parts_.clock.now();
  orders_ = {};
  positions_ = {};
  whole_ = process(*batch, 0, Replay::Kind::release, count_of_source(*batch));
  mark_ends(*batch);
  if (batch->size() > 0)  // else it only moves positions
    parts_.probe.frozen(batch->size(), batch->bytes(), batch->cut,
                        std::chrono::duration<double>(parts_.clock.now() - begin).count());
  batch->await(static_cast<std::uint32_t>(
      std::count_if(parts_.lanes.begin(), parts_.lanes.end(), [](const auto& lane) { return lane->awaited(); })));
  current_ = BatchRef(std::move(batch));
  taken_.assign(parts_.lanes.size(), false);
}

// What came from the source, by table; how many there are.
std::uint64_t Transform::count_of_source(const Batch& batch) {
  const TableSchema* schema = nullptr;
  std::uint64_t run = 0, all = 0;
  std::uint32_t commit = 0;  // of the run's last event
  const std::int64_t wall_us = parts_.clock.wall_us();
  auto count_run = [&] {
    if (run == 0) return;
    const std::int64_t ts_us = batch.commits()[commit].ts_us;
    const double age = ts_us != 0 ? static_cast<double>(wall_us - ts_us) / 1e6 : 0;
    parts_.probe.table_events(schema->id, schema->full_name, run, std::max(0.0, age));
    all += run;
  };
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    const Event& event = batch.event(i);
    if (event.schema != schema) {
      count_run();
      schema = event.schema;
      run = 0;
    }
    if (!event.dropped) ++run;  // else it was rolled back to a savepoint
    commit = event.commit;
    if (i % kHintEvery == 0) batch.passed(i);
  }
  count_run();
  return all;
}

// `count` of its events are not dropped. True: nor is one of them afterwards.
bool Transform::process(Batch& batch, std::size_t from, Replay::Kind kind, std::uint64_t count) {
  batch_ = &batch;
  from_ = from;
  set_aside_.clear();
  waiting_.clear();
  why_.clear();
  for (std::size_t i = from; i < steps_.size(); ++i) {
    inputs_ = batch.size();
    letters_.clear();
    if (steps_[i].desk && (kind != Replay::Kind::letter || i > from)) count -= screen(i, 0);
    run(steps_[i], batch, count);
  }
  const bool whole = count == batch.size();
  if (steps_.empty() || !steps_[0].desk || position_.empty()) return whole;
  if (!batch.marks().empty()) parts_.algebra.advance(position_, batch.marks());
  for (Step& step : steps_) step.desk->passed(position_);
  return whole;
}

// `count`: of the events that are not dropped, before and after.
void Transform::run(Step& step, Batch& batch, std::uint64_t& count) {
  const SteadyTime begin = parts_.clock.now();
  try {
    step.processor->process(batch);
  } catch (const Cancelled&) {
    throw;
  } catch (...) {
    step.probe.failed();
    throw;
  }
  const std::uint64_t in = std::exchange(count, count_kept(batch));
  if (in > 0) step.probe.processed(in, count, std::chrono::duration<double>(parts_.clock.now() - begin).count());
}

SteadyTime Transform::due() const {
  const bool again = is_full() || std::ranges::any_of(steps_, [](const Step& step) {
                       return step.desk && step.desk->is_changed();  // it could not be read, or is not due yet
                     });
  return again ? std::min(parts_.clock.now() + kAgain, slow_.due()) : slow_.due();
}

// --- with a journal ---

void Transform::begin(const Position& position) {
  std::lock_guard lock(mutex_);
  begin_ = position;
  bell_.ring();
}

void Transform::note_change() {
  for (Step& step : steps_)
    if (step.desk) step.desk->note_change();
  bell_.ring();
}

void Transform::wind_down() {
  for (const Step& step : steps_) step.processor->wind_down();
  winding_down_.store(true, std::memory_order_release);
  bell_.ring();
}

void Transform::stop() {
  for (const Step& step : steps_) step.processor->cancel();
  stopping_.store(true, std::memory_order_release);
  bell_.ring();
}

// For another batch of the stream. Replays, which make room, go on.
bool Transform::has_room() {
  std::optional<std::string> why;
  for (Step& step : steps_)
    if (step.desk && !why) why = step.desk->no_room();
  if (full_.exchange(why.has_value(), std::memory_order_acq_rel) != why.has_value()) parts_.trouble(why);
  return !why;
}

template <class F>
void Transform::until_stored(F&& attempt) {
  bool troubled = false;
  while (auto why = attempt()) {
    if (stopping_.load(std::memory_order_acquire) || winding_down_.load(std::memory_order_acquire)) throw Cancelled();
    troubled = true;
    parts_.trouble(*why);
    bell_.wait_until(parts_.clock.now() + kAgain);
  }
  if (troubled) parts_.trouble(std::nullopt);
}

// From the event `first` on, drops what is a dead letter of this processor already, and what waits behind one.
// Returns how many.
std::uint64_t Transform::screen(std::size_t step, std::uint32_t first) {
  Desk& desk = *steps_[step].desk;
  Batch& batch = *batch_;
  std::vector<std::uint32_t> out;
  until_stored([&] {
    out.clear();
    const bool released = !orders_.empty() && step == from_;
    auto why = desk.screen({batch, position_, orders_, released, true, positions_}, first, inputs_, out);
    if (!why && first == 0) {
      letters_.clear();
      why = desk.find_letters(batch, out, letters_);
    }
    return why;
  });
  for (const std::uint32_t event : out) batch.event(event).dropped = true;
  if (step == from_) {
    waiting_.insert(waiting_.end(), out.begin(), out.end());
    std::ranges::sort(waiting_);
  }
  return out.size();
}

void Transform::set_aside(std::size_t step, const Batch& batch, std::uint32_t event, std::string reason) {
  Desk& desk = *steps_[step].desk;
  const Reject reject{event, "processor", std::move(reason)};
  until_stored([&] { return desk.keep(batch, reject, position_, orders_, positions_); });
  if (desk.parks()) screen(step, event + 1);  // those behind it have not been processed yet
  if (step != from_) return;
  if (why_.empty()) why_ = reject.reason;
  set_aside_.push_back(event);
}

bool Transform::had_letter(std::uint32_t first, std::uint32_t last) const {
  const auto letter = std::ranges::lower_bound(letters_, first);
  return letter != letters_.end() && *letter < last;
}

bool Transform::replay(const std::string& processor, BatchPtr batch, Order order, std::string position,
                       std::function<void(ReplayResult)> done) {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (!steps_[i].desk || steps_[i].desk->stage().id != processor) continue;
    {
      std::lock_guard lock(mutex_);
      replays_.push_back({i, std::move(batch), Replay::Kind::letter, {order}, {std::move(position)}, std::move(done)});
    }
    bell_.ring();
    return true;
  }
  return false;
}

std::optional<Transform::Again> Transform::next_replay() {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (!steps_[i].desk) continue;
    if (auto released = steps_[i].desk->release())
      return Again{i,
                   std::move(released->batch),
                   Replay::Kind::release,
                   std::move(released->orders),
                   std::move(released->positions),
                   std::move(released->done)};
  }
  std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(replays_, [this](const Again& each) {
    Desk& desk = *steps_[each.step].desk;
    return !desk.is_ahead(*each.batch) && !desk.is_behind(*each.batch, each.orders);
  });
  if (found == replays_.end()) return std::nullopt;
  std::optional<Again> next = std::move(*found);
  replays_.erase(found);
  return next;
}

// What is left of it behind the processors goes to every lane; when all of them have it, it is done. A lane that cannot
// take a row keeps it as its own dead letter, and one that is detached what it misses, until it is back.
bool Transform::replay_one() {
  if (position_.empty()) return false;  // nobody has begun yet
  auto again = next_replay();
  if (!again) return false;
  orders_ = again->orders;
  positions_ = again->positions;
  process(*again->batch, again->step, again->kind, count_kept(*again->batch));
  struct Shared {
    std::mutex mutex;
    std::size_t left;
    ReplayResult result;
    std::function<void(ReplayResult)> done;
  };
  auto shared = std::make_shared<Shared>();
  std::vector<Lane*> lanes;
  for (const auto& lane : parts_.lanes)
    if (!lane->lost()) lanes.push_back(lane.get());
  shared->left = lanes.size();
  shared->result = {set_aside_, waiting_, why_};
  shared->done = std::move(again->done);
  const BatchRef batch(std::move(again->batch));
  for (Lane* lane : lanes)
    lane->replay(
        {batch, Replay::Kind::passed_on, again->orders, again->positions, [this, shared](ReplayResult of_lane) {
           std::unique_lock lock(shared->mutex);
           if (!of_lane.taken) {
             shared->result.taken = false;
             shared->result.why = std::move(of_lane.why);
           }
           if (--shared->left > 0) return;
           lock.unlock();
           shared->done(std::move(shared->result));
           bell_.ring();  // the next release may go
         }});
  return true;
}

}  // namespace deltaforge::pipeline
