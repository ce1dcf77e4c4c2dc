#include "pipeline/desk.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "core/event_id.h"
#include "obs/log.h"

namespace deltaforge::pipeline {
namespace {

constexpr const char* kNoRoom =
    "no more events can wait behind dead letters (dlq.park_max_entries): replay or acknowledge entries";
// Of what is released at once.
constexpr std::size_t kReleaseEvents = 1000, kReleaseBytes = 8 * 1024 * 1024;

}  // namespace

void Desk::learn(const Brief& entry) {
  if (entry.position.empty()) return;
  known_.insert_or_assign(entry.event_id,
                          Known{parts_.codec.parse(entry.position, "the journal"), entry.rows, entry.order});
}

Order Desk::order_of(const Batch& batch, std::uint32_t index, std::span<const Order> orders) {
  const Event& event = batch.event(index);
  const std::uint64_t in_transaction = std::uint64_t{event.total_order} << 32 | event.fan_out;
  if (!orders.empty()) return {orders[event.commit].log, orders[event.commit].at, in_transaction};
  const Order place = place_of(batch, event.commit);
  return {place.log, place.at, in_transaction};
}

Order Desk::place_of(const Batch& batch, std::uint32_t commit) {
  const LogPlace place = parts_.algebra.place(batch.marks()[commit]);
  if (place.log != log_.first) log_ = {place.log, parts_.journal.number_of_log(place.log)};
  return {log_.second, place.at, 0};
}

void Desk::begin(const Position& start) {
  known_.clear();
  for (const auto& letter : parts_.journal.letters(parts_.stage)) learn(*letter);
  for (const auto& event : parts_.journal.parked(parts_.stage)) learn(*event);
  passed(start);
  look();
  note_change();
}

void Desk::passed(const Position& position) {
  if (known_.empty() || position.empty()) return;
  for (auto i = known_.begin(); i != known_.end();) {
    Known& known = i->second;
    const bool covered = parts_.algebra.equal(parts_.algebra.meet(position, known.position), known.position);
    if (covered && !known.shown) show(known);
    i = covered ? known_.erase(i) : std::next(i);
  }
}

// It holds back what follows, unless it is gone: that is found out when release() is asked next.
void Desk::show(Known& known) {
  known.shown = true;
  if (parks()) blocked_.add(known.rows, known.order);
  note_change();
}

// The log stands at `mark`: entries whose place is before it have been passed.
void Desk::show_before(const Mark& mark) {
  for (auto& [id, known] : known_)
    if (!known.shown && !parts_.algebra.covers(known.position, mark)) show(known);
}

bool Desk::is_ahead(const std::string& event_id) const {
  const auto known = known_.find(event_id);
  return known != known_.end() && !known->second.shown;
}

bool Desk::is_ahead(const Batch& kept) const {
  for (std::uint32_t i = 0; i < kept.size() && !known_.empty(); ++i)
    if (is_ahead(to_string(event_id(kept.commits()[kept.event(i).commit], kept.event(i))))) return true;
  return false;
}

bool Desk::is_behind(const Batch& letter, std::span<const Order> orders) {
  return blocked_.blocks(row_keys(letter.event(0)), order_of(letter, 0, orders));
}

// A record that covers the transaction. The stage has passed what a replay brings, unless that waits already.
std::string Desk::place(const Batch& batch, const Position& base, std::uint32_t commit, const std::string& event_id,
                        std::span<const std::string> positions) {
  if (base.empty()) return {};
  if (batch.marks().empty()) {
    auto waits = parts_.journal.waits(parts_.stage, event_id);
    return waits ? *waits : positions.empty() ? parts_.codec.print(base) : positions[commit];
  }
  Position position = base;
  parts_.algebra.advance(position, batch.marks().first(commit + 1));
  return parts_.codec.print(position);
}

std::optional<std::string> Desk::keep(const Batch& batch, const Reject& reject, const Position& base,
                                      std::span<const Order> orders, std::span<const std::string> positions) try {
  const Event& event = batch.event(reject.event);
  Rejection why{parts_.stage, reject.kind, reject.reason, {}, {}, order_of(batch, reject.event, orders)};
  const std::string id = to_string(event_id(batch.commits()[event.commit], event));
  why.position = place(batch, base, event.commit, id, positions);
  if (!why.position.empty()) why.cursor = parts_.algebra.show(parts_.codec.parse(why.position, "the journal"));
  switch (parts_.journal.keep(batch, event, why)) {
    case Journal::Kept::full:
      return std::string("the dead letter queue is full (overflow_policy: block): ") +
             (parts_.stage.is_processor ? "acknowledge entries" : "replay or acknowledge entries");
    case Journal::Kept::thrown_away: return std::nullopt;
    case Journal::Kept::stored: break;
  }
  if (parks()) blocked_.add(row_keys(event), why.order);
  return std::nullopt;
} catch (const Error& error) {
  parts_.journal.write_failed();
  return std::string("it cannot be stored as a dead letter: ") + error.what();
}

std::optional<std::string> Desk::screen(const Question& question, std::uint32_t first, std::uint32_t last,
                                        std::vector<std::uint32_t>& left_out) try {
  const auto& [batch, base, orders, released, beyond, positions] = question;
  const bool of_log = !batch.marks().empty();
  const bool of_others = !of_log && !released;  // what a crash has interrupted may come though this stage keeps it
  if (is_clear() && !of_others) return std::nullopt;
  std::vector<Journal::Waiting> waiting;
  std::optional<std::uint32_t> commit;  // of the event before; `position` is that of the last that waits
  std::optional<std::uint32_t> placed;
  std::string position;
  for (std::uint32_t i = first; i < last; ++i) {
    const Event& event = batch.event(i);
    if (event.dropped) continue;
    const Order order = order_of(batch, i, orders);
    if (of_log && !known_.empty() && commit != event.commit) show_before(batch.marks()[event.commit]);
    commit = event.commit;
    const bool may_wait = blocked_.knows_table(event.schema->name_hash);
    if ((known_.empty() || released) && !may_wait && !of_others) continue;
    const std::string id = to_string(event_id(batch.commits()[event.commit], event));
    if (of_others && (parts_.journal.holds(parts_.stage, id) || parts_.journal.waits(parts_.stage, id))) {
      left_out.push_back(i);
      // Whoever sends it has passed its place, and what comes behind it may not pass it here.
      if (const auto known = known_.find(id); known != known_.end() && !known->second.shown) show(known->second);
      continue;
    }
    if (const auto known = known_.find(id); known != known_.end() && !released) {
      left_out.push_back(i);
      if (!of_log || known->second.shown) continue;
      show(known->second);
      continue;
    }
    if (!may_wait) continue;
    const RowKeys rows = row_keys(event);
    if (!blocked_.blocks(rows, order)) continue;
    blocked_.add(rows, order);
    left_out.push_back(i);
    if (parts_.journal.holds(parts_.stage, id)) continue;
    if (placed != event.commit || !of_log) position = place(batch, base, event.commit, id, positions);
    placed = event.commit;
    waiting.push_back({i, position, order});
  }
  if (!parts_.journal.park(parts_.stage, batch, waiting, beyond)) return kNoRoom;
  return std::nullopt;
} catch (const Error& error) {
  parts_.journal.write_failed();
  return std::string("an event that must wait behind a dead letter cannot be stored: ") + error.what();
}

std::optional<std::string> Desk::find_letters(const Batch& batch, std::span<const std::uint32_t> events,
                                              std::vector<std::uint32_t>& letters) try {
  for (const std::uint32_t i : events) {
    const Event& event = batch.event(i);
    const auto letter = parts_.journal.letter(parts_.stage, to_string(event_id(batch.commits()[event.commit], event)));
    if (letter && (batch.marks().empty() || !letter->of_replay)) letters.push_back(i);
  }
  return std::nullopt;
} catch (const Error& error) {
  return std::string("the dead letters cannot be read: ") + error.what();
}

std::optional<std::string> Desk::put_off(const Replay& replay) try {
  const Batch& batch = *replay.batch;
  std::vector<Journal::Waiting> waiting;
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    const Event& event = batch.event(i);
    if (event.dropped) continue;
    if (parts_.journal.holds(parts_.stage, to_string(event_id(batch.commits()[event.commit], event)))) continue;
    waiting.push_back({i, replay.positions[event.commit], order_of(batch, i, replay.orders)});
  }
  parts_.journal.park(parts_.stage, batch, waiting, true);
  return std::nullopt;
} catch (const Error& error) {
  parts_.journal.write_failed();
  return std::string("an event that it misses cannot be stored: ") + error.what();
}

std::optional<std::string> Desk::no_room() try {
  if (blocked_.empty() || !parts_.journal.parking_is_full(parts_.stage)) return std::nullopt;
  return kNoRoom;
} catch (const Error& error) {
  return std::string("the journal cannot be read: ") + error.what();
}

Desk::Parked Desk::look(Order bound) {
  Parked found;
  BlockedRows& blocked = found.blocked;
  std::unordered_set<std::string_view> dead;
  const Briefs letters = parks() ? parts_.journal.letters(parts_.stage) : Briefs();
  for (const auto& letter : letters) {
    dead.insert(letter->event_id);
    if (!is_ahead(letter->event_id)) blocked.add(letter->rows, letter->order);
  }
  std::size_t bytes = 0;
  Briefs waiting = parts_.journal.parked(parts_.stage);
  std::ranges::stable_sort(waiting, {}, [](const auto& event) { return event->order; });
  for (const auto& event : waiting) {
    if (dead.contains(event->event_id)) {
      found.twice.push_back(event->seq);
      continue;
    }
    if (is_ahead(event->event_id)) continue;
    const bool waits = blocked.blocks(event->rows, event->order);
    const bool later = event->order >= bound;
    const bool fits = found.events.size() < kReleaseEvents && bytes < kReleaseBytes;
    if (waits || later || !fits) {
      found.later = found.later || (later && !waits);
      found.more = found.more || (!later && !waits);
      blocked.add(event->rows, event->order);
      continue;
    }
    bytes += event->bytes;
    found.events.push_back(event);
  }
  // Until they are on their way they block as well.
  blocked_ = blocked;
  for (const auto& event : found.events) blocked_.add(event->rows, event->order);
  return found;
}

std::optional<Desk::Release> Desk::release(Order bound) {
  if (releasing_ || !changed_.exchange(false, std::memory_order_acq_rel)) return std::nullopt;
  try {
    Parked parked = look(bound);
    has_later_ = parked.later;
    if (parked.more || parked.later) note_change();
    if (!parked.twice.empty()) parts_.journal.drop_parked(parked.twice);
    if (parked.events.empty()) return std::nullopt;
    std::vector<std::string> kept;
    std::vector<Order> orders;
    std::vector<std::string> positions;
    for (const auto& event : parked.events) {
      kept.push_back(parts_.journal.parked_event(parts_.stage, event->event_id));
      orders.push_back(event->order);
      positions.push_back(event->position);
    }
    const std::vector<std::string_view> views(kept.begin(), kept.end());
    Release release{parts_.batches.make(views), std::move(orders), std::move(positions),
                    [this, events = parked.events](const ReplayResult& result) { finish_release(events, result); }};
    releasing_ = true;
    blocked_ = std::move(parked.blocked);
    return release;
  } catch (const Error& error) {
    note_change();
    obs::log_limited(obs::Level::error, parts_.stage.text(), "parked events cannot be read, trying again",
                     {{"pipeline", parts_.journal.pipeline()},
                      {"stage", parts_.stage.text()},
                      {"error", std::string_view(error.what())}});
    return std::nullopt;
  }
}

// What was refused has an entry of its own now and waits no longer.
void Desk::finish_release(const Briefs& events, const ReplayResult& result) {
  std::vector<std::uint64_t> gone;
  for (std::uint32_t i = 0; i < events.size() && result.taken; ++i)
    if (!std::ranges::binary_search(result.waiting, i)) gone.push_back(events[i]->seq);
  if (!result.taken) note_change();
  try {
    parts_.journal.drop_parked(gone);
  } catch (const Error& error) {
    note_change();
    obs::log_limited(obs::Level::error, parts_.stage.text(), "delivered events stay parked, they will come again",
                     {{"pipeline", parts_.journal.pipeline()},
                      {"stage", parts_.stage.text()},
                      {"error", std::string_view(error.what())}});
  }
  releasing_.store(false, std::memory_order_release);  // last: what was delivered is not parked any more
}

}  // namespace deltaforge::pipeline
