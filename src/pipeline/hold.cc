#include "pipeline/hold.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "obs/log.h"
#include "pipeline/state_keys.h"

namespace deltaforge::pipeline {
namespace {
constexpr std::chrono::seconds kLook{1};  // at what is held, while something is
}

std::string Hold::print() const {
  nlohmann::json json{{"v", 1}, {"since", since}, {"lost", lost}};
  if (lost) json["why"] = why;
  return json.dump();
}

std::optional<Hold> Hold::read(Store& store, const std::string& key) {
  const auto stored = store.get(kHolds, key);
  if (!stored) return std::nullopt;
  const auto json = nlohmann::json::parse(*stored, nullptr, false);
  const auto is = [&](const char* name, auto&& test) { return json.contains(name) && test(json[name]); };
  const bool sound = json.is_object() && is("v", [](const auto& v) { return v == 1; }) &&
                     is("since", [](const auto& value) { return value.is_number_integer(); }) &&
                     is("lost", [](const auto& value) { return value.is_boolean(); });
  if (!sound)
    throw Error(ErrorKind::storage,
                fmt::format("the record of a detached sink in the store, {}/{}, is damaged", kHolds, key),
                "restore the state directory from a backup, or take the sink out of the pipeline and put it in again");
  Hold hold{json["since"].get<std::int64_t>(), json["lost"].get<bool>(), {}};
  if (json.contains("why") && json["why"].is_string()) hold.why = json["why"].get<std::string>();
  return hold;
}

std::string Hold::message() const {
  return fmt::format("lost: it was away until {} was reached, and the log is released; {}", why, remedy());
}

const char* Hold::remedy() {
  return "take it out of the pipeline and put it in again (with an empty place if it holds its position itself): it "
         "begins where the others stand, and what lies between is missing in it";
}

Holds::Holds(Parts parts) : parts_(std::move(parts)), entries_(parts_.sinks.size()) {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    entries_[i].probe = HoldProbe(parts_.pipeline, parts_.sinks[i].id);
    entries_[i].hold = Hold::read(parts_.store, key(i));
    if (!entries_[i].hold || !entries_[i].hold->lost) continue;
    parts_.ledger.lose(i);
    entries_[i].probe.lost();
    obs::error("a lost sink stays out", {{"pipeline", parts_.pipeline},
                                         {"sink", parts_.sinks[i].id},
                                         {"error", std::string_view(entries_[i].hold->message())}});
    if (!parts_.ledger.satisfied())
      throw Error(ErrorKind::sink_state,
                  fmt::format("sink '{}' is lost ({} was reached while it was away), and the commit policy needs it",
                              parts_.sinks[i].id, entries_[i].hold->why),
                  Hold::remedy());
  }
}

std::string Holds::key(std::size_t sink) const { return sink_key(parts_.source_id, parts_.sinks[sink].id); }

void Holds::begin(const std::vector<Position>& starts) {
  std::lock_guard lock(mutex_);
  starts_ = starts;
}

std::optional<std::string> Holds::message(std::size_t sink) const {
  std::lock_guard lock(mutex_);
  const auto& hold = entries_[sink].hold;
  if (!hold || !hold->lost) return std::nullopt;
  return hold->message();
}

SteadyTime Holds::step() {
  bool any = false;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (is_lost(i)) continue;
    Entry& entry = entries_[i];
    if (parts_.ledger.is_detached(i)) {
      watch(i);
      any = true;
    } else if (entry.hold && has_caught_up(i)) {
      parts_.store.erase(kHolds, key(i));
      obs::info("a sink that was detached has caught up",
                {{"pipeline", parts_.pipeline}, {"sink", parts_.sinks[i].id}});
      std::lock_guard lock(mutex_);
      entry.hold.reset();
    }
  }
  return any ? parts_.clock.now() + kLook : SteadyTime::max();
}

// A detached one: is it still worth waiting for?
void Holds::watch(std::size_t i) {
  const config::HoldLimits& limits = parts_.sinks[i].hold;
  const std::int64_t now = parts_.clock.wall_us() / 1'000'000;
  const std::uint64_t passed = parts_.passed();
  Entry& entry = entries_[i];
  if (!entry.hold) store(i, {now, false, {}});
  if (!entry.base) entry.base = parts_.ledger.has_delivered(i) ? passed : 0;
  const std::int64_t secs = std::max<std::int64_t>(0, now - entry.hold->since);
  const std::uint64_t bytes = passed - std::min(passed, *entry.base);
  entry.probe.held(static_cast<double>(secs), static_cast<double>(bytes));
  if (secs >= limits.hold_secs)
    lose(i, fmt::format("hold_secs ({})", limits.hold_secs));
  else if (bytes >= limits.hold_bytes.count)
    lose(i, fmt::format("hold_bytes ({})", limits.hold_bytes.count));
}

void Holds::store(std::size_t i, Hold hold) {
  const Store::Entry record{kHolds, key(i), hold.print()};
  parts_.store.put({&record, 1});
  std::lock_guard lock(mutex_);
  entries_[i].hold = std::move(hold);
}

void Holds::lose(std::size_t i, std::string why) {
  store(i, {entries_[i].hold->since, true, std::move(why)});
  const Position position = parts_.ledger.durable(i);
  obs::error("sink lost: the source's log is held for it no longer",
             {{"pipeline", parts_.pipeline},
              {"sink", parts_.sinks[i].id},
              {"position", position.empty() ? std::string("none") : parts_.algebra.show(position)},
              {"error", std::string_view(entries_[i].hold->message())}});
  entries_[i].probe.lost();
  const Position& released = parts_.ledger.lose(i);
  parts_.lost(i);
  if (!released.empty()) parts_.release(released);
}

// It has what every other had when the run began: it is no more behind than they are.
bool Holds::has_caught_up(std::size_t i) const {
  const Position here = parts_.ledger.durable(i);
  std::lock_guard lock(mutex_);
  if (starts_.empty() || here.empty()) return false;
  for (std::size_t j = 0; j < starts_.size(); ++j) {
    if (is_lost(j) || starts_[j].empty()) continue;
    if (!parts_.algebra.equal(parts_.algebra.meet(here, starts_[j]), starts_[j])) return false;
  }
  return true;
}

}  // namespace deltaforge::pipeline
