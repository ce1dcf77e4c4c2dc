#include "pipeline/testing/sim_world.h"

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "pipeline/testing/sim_rows.h"

namespace deltaforge::pipeline::testing {

Position SimAlgebra::parse(std::string_view record) const {
  auto at = record.find("\"end\":");
  if (at == std::string_view::npos) throw Error(ErrorKind::sink_state, "not a simulated position");
  return sim_position(std::stoull(std::string(record.substr(at + 6))));
}

SimWorld::SimWorld(unsigned seed) : random(seed) {
  for (int i = 0; i < 5; ++i) random();
  std::uint64_t end = 100;
  for (unsigned i = 0, count = 20 + pick(80); i < count; ++i) {
    end += 1 + pick(50);
    std::uint32_t size = pick(6) == 0 ? 0 : pick(20) == 0 ? 30 + pick(60) : 1 + pick(5);
    log.push_back({end, size});
  }
  for (unsigned i = 0, count = 1 + pick(3); i < count; ++i) {
    SimServer server;
    server.id = "s" + std::to_string(i);
    server.required = i == 0 || pick(2) == 0;
    server.holds_position = pick(3) == 0;
    server.same_deliveries = !server.holds_position && (seed + i) % 2 == 0;
    server.complete_to = log.front().end - 1;
    sinks.push_back(std::move(server));
  }
}

void SimWorld::broken(const std::string& promise) { throw std::logic_error(promise); }

// In order and whole, once repeated rows are dropped: each new row is the next one of the log.
void SimWorld::arrived(SimServer& sink, SimRow row) {
  bool seen = row.transaction <= sink.complete_to ||
              (!sink.rows.empty() && std::find(sink.rows.rbegin(), sink.rows.rend(), row) != sink.rows.rend());
  if (seen) {
    ++duplicates;
    if (sink.holds_position) broken("a sink that holds its position got a row twice");
    auto stored = checkpoints.find(sink.id);
    if (stored != checkpoints.end() && row.transaction <= stored->second)
      broken("a row was repeated that its sink's stored position covers");
    return;
  }
  auto next = std::find_if(log.begin(), log.end(),
                           [&](const SimTransaction& t) { return t.end > sink.complete_to && t.rows > 0; });
  if (next == log.end()) broken("a row arrived that is not in the log");
  if (next->end != row.transaction) broken("a transaction arrived out of order, or one was left out");
  std::uint32_t expected = 1;
  for (const SimRow& have : sink.rows)
    if (have.transaction == row.transaction) expected = std::max(expected, have.row + 1);
  if (row.row != expected) broken("a row arrived out of order, or one was left out");
  sink.rows.push_back(row);
  if (row.row == next->rows) sink.complete_to = row.transaction;
}

void SimWorld::stored(const std::string& id, std::uint64_t end) {
  auto& sink = *std::find_if(sinks.begin(), sinks.end(), [&](const SimServer& s) { return s.id == id; });
  if (rows != nullptr) rows->covered(sink, end);
  for (const SimTransaction& t : log)
    if (rows == nullptr && t.rows > 0 && t.end <= end && t.end > sink.complete_to)
      broken("a position was stored that its sink has not reached");
  if (auto old = checkpoints.find(id); old != checkpoints.end() && end < old->second)
    broken("a stored position moved backwards");
  checkpoints[id] = end;
}

void SimWorld::released(std::uint64_t end) {
  for (const SimServer& sink : sinks) {
    if (rows != nullptr) rows->covered(sink, end);
    for (const SimTransaction& t : log)
      if (rows == nullptr && t.rows > 0 && t.end <= end && t.end > sink.complete_to)
        broken("the log was released before every sink had it");
    auto stored = checkpoints.find(sink.id);
    std::uint64_t durable = stored == checkpoints.end() ? log.front().end - 1 : stored->second;
    if (sink.held) durable = std::max(durable, *sink.held);
    if (end > durable) broken("the log was released before the position was stored");
  }
  released_to = std::max(released_to, end);
}

void SimWorld::wrote(SimServer& sink, std::uint64_t held) {
  if (sink.held && held < *sink.held) broken("a sink's own position moved backwards");
  if (rows != nullptr) rows->covered(sink, held);
  sink.held = held;
}

void SimWorld::check_complete() {
  if (rows != nullptr) rows->check_complete();
  for (const SimServer& sink : sinks) {
    std::size_t expected = 0;
    for (const SimTransaction& t : log) expected += t.rows;
    if (rows == nullptr && sink.rows.size() != expected) broken("rows are missing in a sink at the end");
    auto stored = checkpoints.find(sink.id);
    std::uint64_t durable = stored == checkpoints.end() ? 0 : stored->second;
    if (durable != log.back().end) broken("the last position was not stored");
  }
  if (released_to != log.back().end) broken("the log was not released at the end");
}

}  // namespace deltaforge::pipeline::testing
