#include "pipeline/desk.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "core/event_id.h"
#include "obs/log.h"

namespace deltaforge::pipeline {
namespace {

// Of what is released at once.
constexpr std::size_t kReleaseEvents = 1000, kReleaseBytes = 8 * 1024 * 1024;

}  // namespace

std::vector<DeadLetter> Desk::letters() const {
  Journal::Filter filter;
  (parts_.stage.is_processor ? filter.processor : filter.sink) = parts_.stage.id;
  return parts_.journal.list(filter, SIZE_MAX);
}

void Desk::begin(const Position& start) {
  known_.clear();
  for (DeadLetter& letter : letters())
    if (!letter.why.position.empty())
      known_.push_back({std::move(letter.event_id), parts_.codec.parse(letter.why.position, "the journal")});
  passed(start);
  look();
  note_change();
}

void Desk::passed(const Position& position) {
  if (known_.empty() || position.empty()) return;
  std::erase_if(known_, [&](const Known& known) {
    return parts_.algebra.equal(parts_.algebra.meet(position, known.position), known.position);
  });
}

bool Desk::is_known(const std::string& event_id) const {
  return std::ranges::any_of(known_, [&](const Known& known) { return known.event_id == event_id; });
}

std::optional<std::string> Desk::keep(const Batch& batch, const Reject& reject, const Position& base) try {
  const Event& event = batch.event(reject.event);
  Rejection why{parts_.stage, reject.kind, reject.reason, {}, {}};
  if (!batch.marks().empty() && !base.empty()) {
    Position position = base;
    parts_.algebra.advance(position, batch.marks().first(event.commit + 1));
    why.position = parts_.codec.print(position);
    why.cursor = parts_.algebra.show(position);
  }
  switch (parts_.journal.keep(batch, event, why)) {
    case Journal::Kept::full:
      return "the dead letter queue is full (overflow_policy: block): replay or acknowledge entries";
    case Journal::Kept::thrown_away: return std::nullopt;
    case Journal::Kept::stored: break;
  }
  if (parks()) blocked_.add(row_keys(event));
  return std::nullopt;
} catch (const Error& error) {
  parts_.journal.write_failed();
  return std::string("it cannot be stored as a dead letter: ") + error.what();
}

std::optional<std::string> Desk::screen(const Batch& batch, std::uint32_t first, std::uint32_t last,
                                        std::vector<std::uint32_t>& left_out) try {
  if (is_clear()) return std::nullopt;
  std::vector<std::uint32_t> waiting;
  for (std::uint32_t i = first; i < last; ++i) {
    const Event& event = batch.event(i);
    if (event.dropped) continue;
    const bool may_wait = blocked_.knows_table(event.schema->name_hash);
    if (known_.empty() && !may_wait) continue;
    const std::string id = to_string(event_id(batch.commits()[event.commit], event));
    if (is_known(id)) {
      left_out.push_back(i);
      continue;
    }
    if (!may_wait) continue;
    const RowKeys rows = row_keys(event);
    if (!blocked_.blocks(rows)) continue;
    blocked_.add(rows);
    left_out.push_back(i);
    if (!parts_.journal.holds(parts_.stage, id)) waiting.push_back(i);
  }
  if (!parts_.journal.park(parts_.stage, batch, waiting))
    return "no more events can wait behind dead letters (dlq.park_max_entries): replay or acknowledge entries";
  return std::nullopt;
} catch (const Error& error) {
  parts_.journal.write_failed();
  return std::string("an event that must wait behind a dead letter cannot be stored: ") + error.what();
}

Desk::Parked Desk::look() {
  Parked found;
  BlockedRows& blocked = found.blocked;
  if (parks())
    for (const DeadLetter& letter : letters()) blocked.add(letter.rows);
  std::size_t bytes = 0;
  for (ParkedEvent& event : parts_.journal.parked(parts_.stage)) {
    const bool waits = blocked.blocks(event.rows);
    const bool fits = found.events.size() < kReleaseEvents && bytes < kReleaseBytes;
    if (waits || !fits) {
      found.more = found.more || !waits;
      blocked.add(event.rows);
      continue;
    }
    bytes += event.kept.size();
    found.events.push_back(std::move(event));
  }
  // Until they are on their way they block as well.
  blocked_ = blocked;
  for (const ParkedEvent& event : found.events) blocked_.add(event.rows);
  return found;
}

std::optional<Desk::Release> Desk::release() {
  if (releasing_ || !changed_.exchange(false, std::memory_order_acq_rel)) return std::nullopt;
  try {
    Parked parked = look();
    if (parked.more) note_change();
    if (parked.events.empty()) return std::nullopt;
    std::vector<std::string_view> kept;
    std::vector<std::uint64_t> seqs;
    for (const ParkedEvent& event : parked.events) {
      kept.push_back(event.kept);
      seqs.push_back(event.seq);
    }
    Release release{parts_.batches.make(kept),
                    [this, seqs](const ReplayResult& result) { finish_release(seqs, result); }};
    releasing_ = true;
    blocked_ = std::move(parked.blocked);
    return release;
  } catch (const Error& error) {
    note_change();
    obs::log_limited(obs::Level::error, parts_.stage.text(), "parked events cannot be read, trying again",
                     {{"stage", parts_.stage.text()}, {"error", std::string_view(error.what())}});
    return std::nullopt;
  }
}

// What was refused has an entry of its own now and waits no longer.
void Desk::finish_release(const std::vector<std::uint64_t>& seqs, const ReplayResult& result) {
  std::vector<std::uint64_t> gone;
  for (std::uint32_t i = 0; i < seqs.size() && result.taken; ++i)
    if (!std::ranges::binary_search(result.waiting, i)) gone.push_back(seqs[i]);
  if (!result.taken) note_change();
  try {
    parts_.journal.drop_parked(gone);
  } catch (const Error& error) {
    note_change();
    obs::log_limited(obs::Level::error, parts_.stage.text(), "delivered events stay parked, they will come again",
                     {{"stage", parts_.stage.text()}, {"error", std::string_view(error.what())}});
  }
  releasing_.store(false, std::memory_order_release);  // last: what was delivered is not parked any more
}

}  // namespace deltaforge::pipeline
