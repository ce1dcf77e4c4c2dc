#include "pipeline/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/error.h"
#include "core/event_id.h"
#include "obs/log.h"
#include "pipeline/kept_event.h"
#include "pipeline/queue_walk.h"

namespace deltaforge::pipeline {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kPage = 64;
constexpr double kWarnAt = 0.80, kErrorAt = 0.95;

Json print_rows(const RowKeys& rows) {
  return {{"table", rows.table}, {"rows", rows.rows}, {"whole_table", rows.whole_table}};
}

RowKeys read_rows(const Json& json) {
  return {json.at("table"), json.at("rows").get<std::vector<std::uint64_t>>(), json.at("whole_table")};
}

Json print_order(const Order& order) { return {order.log, order.at, order.event}; }
Order read_order(const Json& json) { return {json.at(0), json.at(1), json.at(2)}; }

// What is ours is UTF-8; what others said need not be.
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

[[noreturn]] void damaged(std::uint64_t seq, const std::string& why) {
  throw Error(ErrorKind::storage, fmt::format("entry {} of the journal is damaged: {}", seq, why),
              "acknowledge it, or restore the state directory from a backup");
}

std::string print_entry(const DeadLetter& letter) {
  return dump({{"timestamp", letter.timestamp},
               {"event_id", letter.event_id},
               {"processor", letter.why.stage.is_processor},
               {"stage", letter.why.stage.id},
               {"kind", letter.why.kind},
               {"reason", letter.why.reason},
               {"position", letter.why.position},
               {"cursor", letter.why.cursor},
               {"attempts", letter.attempts},
               {"truncated", letter.truncated},
               {"rows", print_rows(letter.rows)},
               {"order", print_order(letter.why.order)},
               {"of_replay", letter.of_replay},
               {"event", letter.event},
               {"kept", letter.kept}});
}

DeadLetter read_entry(const Store::Item& item) {
  try {
    const Json json = Json::parse(item.value);
    DeadLetter letter;
    letter.seq = item.seq;
    letter.timestamp = json.at("timestamp");
    letter.event_id = json.at("event_id");
    letter.why = {{json.at("processor"), json.at("stage")},
                  json.at("kind"),
                  json.at("reason"),
                  json.at("position"),
                  json.at("cursor"),
                  {}};
    letter.attempts = json.at("attempts");
    letter.truncated = json.at("truncated");
    letter.event = json.at("event");
    letter.kept = json.at("kept");
    letter.rows = read_rows(json.at("rows"));
    letter.why.order = read_order(json.at("order"));
    letter.of_replay = json.value("of_replay", false);
    return letter;
  } catch (const Json::exception& error) {
    damaged(item.seq, error.what());
  }
}

Brief brief_of(const DeadLetter& letter) {
  return {letter.seq,  letter.event_id,    letter.why.position, letter.why.order,
          letter.rows, letter.kept.size(), letter.of_replay};
}

struct Parked {
  Stage stage;
  Brief brief;
  std::string kept;
};

Parked read_parked(const Store::Item& item) {
  auto name = EntryName::parse(item.id);
  if (!name) damaged(item.seq, "it has no stage");
  try {
    const Json json = Json::parse(item.value);
    Parked parked{std::move(name->stage), {}, json.at("kept")};
    parked.brief = {item.seq,
                    std::move(name->event_id),
                    json.at("position"),
                    read_order(json.at("order")),
                    read_rows(json.at("rows")),
                    parked.kept.size()};
    return parked;
  } catch (const Json::exception& error) {
    damaged(item.seq, error.what());
  }
}

std::string id_in(const Batch& batch, const Event& event) {
  return to_string(event_id(batch.commits()[event.commit], event));
}

// "serialization error" of the book and our "serialization" are the same.
std::string_view short_kind(std::string_view kind) {
  constexpr std::string_view tail = " error";
  return kind.ends_with(tail) ? kind.substr(0, kind.size() - tail.size()) : kind;
}

}  // namespace

bool Journal::Filter::passes(const Stage& stage) const {
  if (!sink.empty() && (stage.is_processor || stage.id != sink)) return false;
  return processor.empty() || (stage.is_processor && stage.id == processor);
}

bool Journal::Filter::passes(const DeadLetter& letter) const {
  return passes(letter.why.stage) && (kind.empty() || short_kind(kind) == letter.why.kind);
}

Journal::Journal(JournalOptions options, std::string pipeline, Store& store, std::unique_ptr<Encoder> encoder,
                 const Clock& clock)
    : options_(std::move(options)),
      pipeline_(std::move(pipeline)),
      dead_letters_(dead_letters_of(pipeline_)),
      parked_(parked_of(pipeline_)),
      lost_(lost_of(pipeline_)),
      store_(store),
      clock_(clock),
      probe_(pipeline_),
      encoder_(std::move(encoder)) {}

void Journal::begin() {
  std::lock_guard lock(mutex_);
  index_.reset();
}

Journal::Kept Journal::keep(const Batch& batch, const Event& event, const Rejection& why) {
  std::lock_guard lock(mutex_);
  DeadLetter letter;
  letter.timestamp = clock_.wall_us() / 1'000'000;
  letter.event_id = id_in(batch, event);
  letter.why = why;
  letter.rows = row_keys(event);
  letter.of_replay = batch.marks().empty();
  const std::string id = EntryName{why.stage, letter.event_id}.text();
  std::size_t entries = store_.queued(kNamespace, dead_letters_);
  const auto known =
      index().letters.find(why.stage, letter.event_id) ? store_.find(kNamespace, dead_letters_, id) : std::nullopt;
  if (known) {
    const DeadLetter before = read_entry(*known);
    letter.seq = before.seq;
    letter.timestamp = before.timestamp;
    letter.attempts = before.attempts + 1;
    letter.why.order = before.why.order;
    letter.of_replay = before.of_replay;
    if (batch.marks().empty() && !before.why.position.empty()) {  // of a replay it is where the stage stood
      letter.why.position = before.why.position;
      letter.why.cursor = before.why.cursor;
    }
  } else {
    if (entries >= static_cast<std::size_t>(options_.dlq.max_entries)) {
      if (options_.dlq.overflow_policy == Overflow::block) return Kept::full;
      if (options_.dlq.overflow_policy == Overflow::reject) {
        probe_.rejected();
        lose(1, "the event is lost: there is no room for it (overflow_policy: reject)");
        return Kept::thrown_away;
      }
    }
    ++entries;
  }
  letter.event = show(batch, event, letter.truncated);
  if (!letter.truncated) letter.kept = print_kept(batch, event);
  const Store::Pushed item{id, print_entry(letter)};
  auto now = std::exchange(index_, std::nullopt);
  store_.push(kNamespace, dead_letters_, {&item, 1});
  if (!known) letter.seq = store_.peek(kNamespace, dead_letters_, 1, now->letters.last_seq()).at(0).seq;
  now->letters.put(why.stage, brief_of(letter));
  index_ = std::move(now);
  if (letter.attempts == 1) {
    probe_.kept(why.stage.id, why.kind);
    warn_of_saturation(entries);
  }
  if (options_.dlq.overflow_policy == Overflow::drop_oldest) make_room(entries);
  return Kept::stored;
}

// One goes for a new one; more where the limit is lower than it was.
void Journal::make_room(std::size_t entries) {
  const auto limit = static_cast<std::size_t>(options_.dlq.max_entries);
  if (entries <= limit) return;
  const std::size_t surplus = entries - limit;
  const auto oldest = store_.peek(kNamespace, dead_letters_, surplus, 0);
  if (oldest.empty()) return;
  const std::size_t gone = drop_letters(oldest.back().seq);
  changed();  // first: rows go on even if the next fails
  probe_.evicted(gone);
  lose(gone, "the oldest entries are lost: they made room for new ones (overflow_policy: drop_oldest)");
}

// Of an event that is too long, or that cannot be written, what stands around its images.
std::string Journal::show(const Batch& batch, const Event& event, bool& truncated) {
  slab_.clear();
  const bool whole = encoder_->encode(batch, event, slab_).empty();
  if (whole && slab_.size() <= options_.max_event_bytes.count) return std::string(slab_.view());
  const std::size_t size = slab_.size();
  Event frame = event;
  Extra extra = event.extra != nullptr ? *event.extra : Extra();
  extra.before = extra.after = {};
  extra.raw_payload = false;
  frame.extra = &extra;
  frame.before = frame.after = {};
  slab_.clear();
  Json json =
      encoder_->encode(batch, frame, slab_).empty() ? Json::parse(slab_.view(), nullptr, false) : Json::object();
  if (!json.is_object()) json = Json::object();
  truncated = whole;
  const std::string marker = whole ? fmt::format("<left out: the event has {} bytes>", size) : "<cannot be written>";
  if (event.before.present) json["before"] = marker;
  if (event.after.present) json["after"] = marker;
  return dump(json);
}

// The first time everything is read, a page at a time.
Journal::Index& Journal::index() {
  if (index_) return *index_;
  Index read;
  for_each_item(store_, kNamespace, dead_letters_, [&](const Store::Item& item) {
    const DeadLetter letter = read_entry(item);
    read.letters.put(letter.why.stage, brief_of(letter));
  });
  for_each_item(store_, kNamespace, parked_, [&](const Store::Item& item) {
    Parked parked = read_parked(item);
    read.parked.put(parked.stage, std::move(parked.brief));
  });
  return index_.emplace(std::move(read));
}

std::shared_ptr<const Brief> Journal::letter(const Stage& stage, const std::string& event_id) {
  std::lock_guard lock(mutex_);
  return index().letters.find(stage, event_id);
}

std::optional<std::string> Journal::waits(const Stage& stage, const std::string& event_id) {
  std::lock_guard lock(mutex_);
  const auto known = index().parked.find(stage, event_id);
  return known ? std::optional(known->position) : std::nullopt;
}

bool Journal::park(const Stage& stage, const Batch& batch, std::span<const Waiting> events, bool beyond) {
  if (events.empty()) return true;
  std::lock_guard lock(mutex_);
  std::vector<Store::Pushed> items;
  std::vector<Brief> briefs;
  std::size_t fresh = 0;
  for (const Waiting& each : events) {
    const Event& event = batch.event(each.event);
    Brief brief{0, id_in(batch, event), each.position, each.order, row_keys(event), 0};
    if (const auto known = index().parked.find(stage, brief.event_id))
      brief.seq = known->seq;
    else
      ++fresh;
    std::string kept = print_kept(batch, event);
    brief.bytes = kept.size();
    items.push_back({EntryName{stage, brief.event_id}.text(), dump({{"rows", print_rows(brief.rows)},
                                                                    {"position", each.position},
                                                                    {"order", print_order(each.order)},
                                                                    {"kept", std::move(kept)}})});
    briefs.push_back(std::move(brief));
  }
  const std::size_t count = index().parked.size(stage) + fresh;
  if (!beyond && fresh > 0 && count > static_cast<std::size_t>(options_.dlq.park_max_entries)) return false;
  auto now = std::exchange(index_, std::nullopt);
  store_.push(kNamespace, parked_, items);
  std::map<std::string, std::uint64_t> seqs;
  for (Store::Item& item : store_.peek(kNamespace, parked_, fresh, now->parked.last_seq()))
    seqs.emplace(std::move(item.id), item.seq);
  for (std::size_t i = 0; i < briefs.size(); ++i) {
    if (briefs[i].seq == 0) briefs[i].seq = seqs.at(items[i].id);
    now->parked.put(stage, std::move(briefs[i]));
  }
  index_ = std::move(now);
  return true;
}

bool Journal::parking_is_full(const Stage& stage) {
  std::lock_guard lock(mutex_);
  return index().parked.size(stage) >= static_cast<std::size_t>(options_.dlq.park_max_entries);
}

std::vector<DeadLetter> Journal::page(std::uint64_t after_seq) {
  std::vector<DeadLetter> letters;
  for (const Store::Item& item : store_.peek(kNamespace, dead_letters_, kPage, after_seq))
    letters.push_back(read_entry(item));
  return letters;
}

std::vector<DeadLetter> Journal::list(const Filter& filter, std::size_t limit, std::uint64_t after_seq) {
  std::vector<DeadLetter> found;
  while (found.size() < limit) {
    auto letters = page(after_seq);
    if (letters.empty()) break;
    after_seq = letters.back().seq;
    for (DeadLetter& letter : letters)
      if (found.size() < limit && filter.passes(letter)) found.push_back(std::move(letter));
  }
  return found;
}

std::optional<DeadLetter> Journal::read(std::uint64_t seq) {
  const auto items = store_.peek(kNamespace, dead_letters_, 1, seq - 1);
  return items.empty() || items[0].seq != seq ? std::nullopt : std::optional(read_entry(items[0]));
}

Briefs Journal::letters(const Filter& filter) {
  std::lock_guard lock(mutex_);
  Briefs all;
  for (const Stage& stage : index().letters.stages())
    if (filter.passes(stage)) std::ranges::move(index().letters.of(stage), std::back_inserter(all));
  // Not always as they came here: what a retry brought to a later processor was refused later than newer events.
  std::ranges::sort(all, {}, [](const auto& brief) { return std::pair(brief->order, brief->seq); });
  return all;
}

Briefs Journal::letters(const Stage& stage) {
  std::lock_guard lock(mutex_);
  return index().letters.of(stage);
}

Briefs Journal::parked(const Stage& stage) {
  std::lock_guard lock(mutex_);
  return index().parked.of(stage);
}

std::string Journal::parked_event(const Stage& stage, const std::string& event_id) {
  const auto item = store_.find(kNamespace, parked_, EntryName{stage, event_id}.text());
  if (!item) throw Error(ErrorKind::storage, "an event that waits in the journal is gone: " + event_id);
  return read_parked(*item).kept;
}

std::uint64_t Journal::lost() {
  const auto text = store_.get(kNamespace, lost_);
  return text ? std::strtoull(text->c_str(), nullptr, 10) : 0;
}

void Journal::lose(std::size_t entries, std::string_view how) {
  const Store::Entry total{kNamespace, lost_, std::to_string(lost() + entries)};
  store_.put({&total, 1});
  obs::log_limited(obs::Level::error, pipeline_, "dead letters are lost",
                   {{"pipeline", pipeline_}, {"events", std::uint64_t{entries}}, {"error", how}});
}

void Journal::warn_of_saturation(std::size_t entries) {
  const double ratio = static_cast<double>(entries) / static_cast<double>(options_.dlq.max_entries);
  if (ratio < kWarnAt) return;
  const bool error = ratio >= kErrorAt;
  obs::log_limited(error ? obs::Level::error : obs::Level::warn, error ? "almost full" : "fills up",
                   "the dead letter queue fills up: look at its entries, replay or acknowledge them",
                   {{"pipeline", pipeline_},
                    {"entries", std::uint64_t{entries}},
                    {"max_entries", std::int64_t{options_.dlq.max_entries}}});
}

std::size_t Journal::acknowledge(std::uint64_t up_to_seq) {
  std::lock_guard lock(mutex_);
  const std::size_t count = drop_letters(up_to_seq);
  changed();  // first: rows go on even if the next fails
  store_.erase(kNamespace, lost_);
  return count;
}

std::size_t Journal::drop_letters(std::uint64_t up_to_seq) {
  auto now = std::exchange(index_, std::nullopt);
  const std::size_t count = store_.drop_upto(kNamespace, dead_letters_, up_to_seq);
  if (now) now->letters.drop_upto(up_to_seq);
  index_ = std::move(now);
  return count;
}

std::size_t Journal::purge() { return acknowledge(std::numeric_limits<std::int64_t>::max()); }

bool Journal::drop(std::uint64_t seq) {
  struct Told {  // also when the store does not say whether it is gone
    Journal& journal;
    ~Told() { journal.changed(); }
  } told{*this};
  std::lock_guard lock(mutex_);
  auto now = std::exchange(index_, std::nullopt);
  const bool found = store_.drop(kNamespace, dead_letters_, seq);
  if (now) now->letters.drop(seq);
  index_ = std::move(now);
  return found;
}

void Journal::drop_parked(std::span<const std::uint64_t> seqs) {
  std::lock_guard lock(mutex_);
  auto now = std::exchange(index_, std::nullopt);
  for (std::uint64_t seq : seqs) {
    store_.drop(kNamespace, parked_, seq);
    if (now) now->parked.drop(seq);
  }
  index_ = std::move(now);
}

void Journal::clean(SteadyTime deadline) {
  if (options_.dlq.max_age_secs == 0) return;
  const std::int64_t oldest = clock_.wall_us() / 1'000'000 - options_.dlq.max_age_secs;
  while (clock_.now() < deadline) {
    std::uint64_t up_to = 0;
    auto letters = page(0);
    for (const DeadLetter& letter : letters) {
      if (letter.timestamp > oldest) break;
      up_to = letter.seq;
    }
    if (up_to == 0) return;
    std::lock_guard lock(mutex_);
    const std::size_t gone = drop_letters(up_to);
    changed();  // first: rows go on even if the next fails
    lose(gone, "entries are lost: they are older than max_age_secs");
  }
}

std::vector<std::string> Journal::kept_processors() {
  std::lock_guard lock(mutex_);
  std::set<std::string> kept;
  for (const QueueIndex* queue : {&index().letters, &index().parked})
    for (const Stage& stage : queue->stages())
      if (stage.is_processor) kept.insert(stage.id);
  return {kept.begin(), kept.end()};
}

std::vector<std::string> Journal::processors() {
  return read_list<std::string>(processors_of(pipeline_), "processors");
}

void Journal::note_processors(const std::vector<std::string>& ids) {
  if (processors() == ids) return;
  const Store::Entry entry{kNamespace, processors_of(pipeline_), dump(ids)};
  store_.put({&entry, 1});
}

template <class T>
std::vector<T> Journal::read_list(const std::string& key, std::string_view what) {
  const auto text = store_.get(kNamespace, key);
  try {
    return text ? Json::parse(*text).get<std::vector<T>>() : std::vector<T>();
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::storage, fmt::format("the journal's list of {} is damaged: {}", what, error.what()),
                "restore the state directory from a backup");
  }
}

std::uint64_t Journal::number_of_log(std::uint64_t log) {
  std::lock_guard lock(mutex_);
  auto logs = read_list<std::uint64_t>(logs_of(pipeline_), "logs");
  const auto known = std::ranges::find(logs, log);
  const auto number = static_cast<std::uint64_t>(known - logs.begin());
  if (known != logs.end()) return number;
  logs.push_back(log);
  const Store::Entry entry{kNamespace, logs_of(pipeline_), dump(logs)};
  store_.put({&entry, 1});
  return number;
}

void Journal::on_change(std::function<void()> listener) {
  std::lock_guard lock(listener_mutex_);
  listener_ = std::move(listener);
}

void Journal::changed() {
  std::lock_guard lock(listener_mutex_);
  if (listener_) listener_();
}

void Journal::publish() {
  const std::size_t entries = count();
  probe_.size(entries, static_cast<double>(entries) / static_cast<double>(options_.dlq.max_entries), lost());
}

}  // namespace deltaforge::pipeline
