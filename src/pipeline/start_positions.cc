#include "pipeline/start_positions.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "base/error.h"
#include "obs/log.h"
#include "pipeline/state_keys.h"

namespace deltaforge::pipeline {

std::vector<Position> StartPositions::find(const std::vector<SinkState>& sinks) {
  std::vector<Position> positions(sinks.size());
  std::vector<std::size_t> fresh;
  for (std::size_t i = 0; i < sinks.size(); ++i) {
    const SinkState& sink = sinks[i];
    std::string key = sink_key(source_id_, sink.id);
    auto local = store_.get(kCheckpoints, key);
    if (sink.held && !sink.lost) {
      positions[i] = *sink.held;
    } else if (local && sink.holds_position && !sink.lost) {
      throw Error(
          ErrorKind::sink_state,
          fmt::format("sink '{}' has lost its own position, though this store says that it had reached one", sink.id),
          fmt::format("restore the sink's data, or delete its checkpoint '{}' to begin afresh", key));
    } else if (local) {
      positions[i] = codec_.parse(*local, fmt::format("the store, {}/{}", kCheckpoints, key));
    } else if (auto origin = store_.get(kOrigins, key)) {
      positions[i] = codec_.parse(*origin, fmt::format("the store, {}/{}", kOrigins, key));
    } else if (!sink.lost) {
      fresh.push_back(i);
    }
  }
  if (fresh.empty()) return positions;

  // New sinks join where the slowest of the others stands.
  Position meet;
  for (std::size_t i = 0; i < sinks.size(); ++i) {
    if (positions[i].empty() || sinks[i].lost) continue;
    meet = meet.empty() ? positions[i] : algebra_.meet(meet, positions[i]);
  }
  if (meet.empty()) return positions;
  std::vector<std::string> ids;
  for (std::size_t i : fresh) {
    positions[i] = meet;
    ids.push_back(sinks[i].id);
    obs::info("new sink begins where the slowest of the others stands",
              {{"source", source_id_}, {"sink", sinks[i].id}, {"position", algebra_.show(meet)}});
  }
  begin_at(meet, ids);
  return positions;
}

Position StartPositions::meet(const std::vector<SinkState>& sinks, const std::vector<Position>& positions) const {
  Position meet;
  bool first = true;
  for (std::size_t i = 0; i < sinks.size(); ++i) {
    if (sinks[i].lost) continue;
    meet = std::exchange(first, false) ? positions[i] : algebra_.meet(meet, positions[i]);
  }
  return meet;
}

void StartPositions::begin_at(const Position& position, const std::vector<std::string>& sink_ids) {
  std::vector<Store::Entry> entries;
  for (const std::string& id : sink_ids)
    entries.push_back({kOrigins, sink_key(source_id_, id), codec_.print(position)});
  store_.put(entries);
}

namespace {

void forget(Store& store, const std::string& key, std::span<const char* const> namespaces) {
  bool whole_source = key.find("::sink::") == std::string::npos;
  for (const char* ns : namespaces) {
    if (whole_source)
      for (const std::string& sink : store.keys(ns, key + "::sink::")) store.erase(ns, sink);
    store.erase(ns, key);
  }
}

}  // namespace

void forget_positions(Store& store, const std::string& key) { forget(store, key, kPositions); }
void forget_all(Store& store, const std::string& key) { forget(store, key, kOfSinks); }

void apply_reset(Store& store, const std::string& key) {
  forget_positions(store, key);
  obs::warn("reset by operator: the checkpoint was removed, delivery starts afresh", {{"checkpoint", key}});
}

}  // namespace deltaforge::pipeline
