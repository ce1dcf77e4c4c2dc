#include "pipeline/testing/sim_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/event_id.h"

namespace deltaforge::pipeline::testing {

std::set<unsigned> SimChange::keys() const {
  std::set<unsigned> all;
  if (before) all.insert(*before);
  if (after) all.insert(*after);
  return all;
}

bool SimChange::meets(const SimChange& other) const {
  if (table != other.table) return false;
  if (op == Op::truncate || other.op == Op::truncate) return true;
  const std::set<unsigned> mine = keys();
  return std::ranges::any_of(other.keys(), [&](unsigned key) { return mine.contains(key); });
}

const TableSchema& SimRows::schema(unsigned table) {
  static const std::vector<TableSchema> schemas = [] {
    std::vector<TableSchema> all;
    for (const char* name : {"t0", "t1"})
      all.push_back({.connector = "sim",
                     .source_id = "sim",
                     .table = name,
                     .full_name = name,
                     .columns = {{"k", "int"}, {"n", "int"}},
                     .key = {0},
                     .name_hash = xxh3_64(as_bytes(std::string_view(name)))});
    return all;
  }();
  return schemas[table];
}

SimRows::SimRows(SimWorld& world, SimStore& store) : parks(world.pick(2) == 0), world_(world), store_(store) {
  for (const SimTransaction& transaction : world.log) {
    first_of_[transaction.end] = static_cast<std::uint32_t>(changes_.size());
    for (std::uint32_t row = 1; row <= transaction.rows; ++row) make_change({transaction.end, row});
  }
  for (unsigned i = world.pick(3); i > 0; --i) processors_.push_back("p" + std::to_string(processors_.size()));
  for (const SimServer& sink : world.sinks)
    servers_.push_back({.id = sink.id, .rows = std::vector<Row>(changes_.size())});
  choose_refused();
  store.leaving = [this](std::string_view queue, const Store::Item& item, bool given_up) {
    leaving(queue, item, given_up);
  };
}

void SimRows::make_change(SimRow row) {
  SimChange change;
  change.row = row;
  change.table = world_.pick(3) == 0;
  const unsigned key = world_.pick(10), other = world_.pick(10);
  switch (world_.pick(12)) {
    case 0:
      if (world_.pick(6) == 0) {
        change.op = Op::truncate;
        break;
      }
      [[fallthrough]];
    case 1:
      change.op = Op::remove;
      change.before = key;
      break;
    case 2:
    case 3:
      change.op = Op::update;
      change.before = key;
      change.after = other;
      break;
    case 4:
    case 5:
    case 6:
      change.op = Op::update;
      change.after = key;
      break;
    default: change.after = key;
  }
  for (std::uint32_t i = 0; i < changes_.size(); ++i)
    if (changes_[i].meets(change)) change.earlier.push_back(i);
  Commit commit;
  commit.ts_us = static_cast<std::int64_t>(row.transaction);
  commit.id_hash = transaction_hash("sim", "1", std::to_string(row.transaction));
  Event event;
  event.schema = &schema(change.table);
  event.ordinal = row.row;
  change.event_id = to_string(event_id(commit, event));
  by_id_[change.event_id] = static_cast<std::uint32_t>(changes_.size());
  changes_.push_back(std::move(change));
}

void SimRows::choose_refused() {
  for (const std::string& stage : stages()) {
    const unsigned percent = world_.pick(3) == 0 ? 0 : 1 + world_.pick(12);
    std::vector<bool>& refused = refused_[stage];
    for (std::size_t i = 0; i < changes_.size(); ++i) refused.push_back(world_.pick(100) < percent);
  }
}

std::vector<std::string> SimRows::stages() const {
  std::vector<std::string> all;
  for (const SimServer& sink : world_.sinks) all.push_back("sink:" + sink.id);
  for (const std::string& processor : processors_) all.push_back("processor:" + processor);
  return all;
}

void SimRows::mend_all() {
  for (const std::string& stage : stages()) mend(stage);
}

std::uint32_t SimRows::index(SimRow row) const {
  const auto first = first_of_.find(row.transaction);
  if (first == first_of_.end()) world_.broken("a row arrived that is not in the log");
  return first->second + row.row - 1;
}

SimRows::Server& SimRows::of(const SimServer& sink) { return *std::ranges::find(servers_, sink.id, &Server::id); }

bool SimRows::refuses(const std::string& stage, SimRow row) const {
  return !mended_.contains(stage) && refused_.at(stage)[index(row)];
}

// A processor's release that a crash cut short is sent again, whatever its sinks have kept and delivered by themselves.
bool SimRows::comes_again(std::size_t row) const {
  return world_.crashes > 0 && std::ranges::any_of(processors_, [&](const std::string& each) {
           return store_.keeps("processor:" + each + " " + changes_[row].event_id);
         });
}

void SimRows::fault() {
  for (Server& server : servers_) ++server.faults;
}

bool SimRows::is_clean(const Server& server, std::size_t row) const {
  if (refused_.at("sink:" + server.id)[row]) return false;
  return std::ranges::none_of(processors_,
                              [&](const std::string& each) { return refused_.at("processor:" + each)[row]; });
}

bool SimRows::is_kept(const Server& server, std::size_t row, std::string_view stage, std::string_view queue) const {
  const auto keeps = [&](const std::string& by) {
    return store_.keeps(by + " " + changes_[row].event_id, by == stage ? queue : std::string_view());
  };
  return keeps("sink:" + server.id) ||
         std::ranges::any_of(processors_, [&](const std::string& each) { return keeps("processor:" + each); });
}

std::string SimRows::name(const std::string& entry) const {
  const auto known = by_id_.find(entry.substr(entry.find(' ') + 1));
  if (known == by_id_.end()) return entry;
  const SimRow& at = changes_[known->second].row;
  return fmt::format("{} {}/{}", entry, at.transaction, at.row);
}

void SimRows::arrived(const SimServer& sink, SimRow at, bool by_stream, bool whole) {
  world_.trace("{} gets {}/{}{}", sink.id, at.transaction, at.row, by_stream ? "" : ", a replay");
  Server& server = of(sink);
  const std::uint32_t i = index(at);
  Row& row = server.rows[i];
  const std::string name = fmt::format("{}: row {}/{}: ", sink.id, at.transaction, at.row);
  if (!whole) world_.broken(name + "it is not what the processors make of it");
  if (by_stream) {
    if (sink.held && at.transaction <= *sink.held) world_.broken(name + "its sink's own position covers it");
    const auto stored = world_.checkpoints.find(sink.id);
    if (stored != world_.checkpoints.end() && at.transaction <= stored->second)
      world_.broken(name + "its sink's stored position covers it");
  } else {
    ++sums_.replayed;
  }
  if (row.has) {
    ++world_.duplicates;
    if (row.faults == server.faults && (by_stream || !comes_again(i)))
      world_.broken(name + "it came twice, and nothing explains it");
    row.faults = server.faults;
    return;
  }
  row.has = true;
  ++sums_.rows;
  row.faults = server.faults;
  if (parks) {
    for (const std::uint32_t each : changes_[i].earlier)
      if (!server.rows[each].has && !server.rows[each].excused)
        world_.broken(name + fmt::format("{} it passed {}/{}, which has the same key; {}", by_stream ? "" : "a replay:",
                                         changes_[each].row.transaction, changes_[each].row.row, where(each)));
    return;
  }
  if (!is_clean(server, i)) return;
  while (!is_clean(server, server.clean) || server.rows[server.clean].excused) {
    if (server.clean == i) break;
    ++server.clean;
  }
  if (server.clean++ != i) world_.broken(name + "it passed another row that nobody refuses, or that one is left out");
}

// Who keeps a row, for a message.
std::string SimRows::where(std::size_t row) const {
  std::string text;
  for (const std::string& stage : stages()) {
    if (refused_.at(stage)[row]) text += stage + (mended_.contains(stage) ? " refused it; " : " refuses it; ");
    if (store_.keeps(stage + " " + changes_[row].event_id)) text += stage + " keeps it; ";
  }
  return text;
}

void SimRows::covered(const SimServer& sink, std::uint64_t end) {
  Server& server = of(sink);
  for (; server.covered < changes_.size() && changes_[server.covered].row.transaction <= end; ++server.covered) {
    const Row& row = server.rows[server.covered];
    if (row.has || row.excused || is_kept(server, server.covered)) continue;
    const SimRow& at = changes_[server.covered].row;
    world_.broken(fmt::format("{}: a position covers row {}/{}, which is nowhere", sink.id, at.transaction, at.row));
  }
}

// An entry may go once its event is everywhere it belongs, or is kept by whoever refused it last.
void SimRows::leaving(std::string_view queue, const Store::Item& item, bool given_up_by_operator) {
  const std::size_t blank = item.id.find(' ');
  const std::string stage = item.id.substr(0, blank);
  const auto known = by_id_.find(item.id.substr(blank + 1));
  if (known == by_id_.end()) world_.broken("an entry of the journal has an unknown event id");
  ++(queue.ends_with(":dlq") ? sums_.kept : sums_.parked);
  for (Server& server : servers_) {
    if (stage.starts_with("sink:") && stage != "sink:" + server.id) continue;
    Row& row = server.rows[known->second];
    if (given_up_by_operator) {
      sums_.given_up += !row.excused;
      row.excused = true;
    }
    if (row.has || row.excused) continue;
    if (is_kept(server, known->second, stage, queue)) continue;
    const SimRow& at = changes_[known->second].row;
    world_.broken(fmt::format("{} left {}, though row {}/{} never came to {}", item.id, queue, at.transaction, at.row,
                              server.id));
  }
}

void SimRows::check_complete() {
  for (const Server& server : servers_)
    for (std::size_t i = 0; i < changes_.size(); ++i)
      if (!server.rows[i].has && !server.rows[i].excused)
        world_.broken(fmt::format("{}: row {}/{} is missing at the end", server.id, changes_[i].row.transaction,
                                  changes_[i].row.row));
}

}  // namespace deltaforge::pipeline::testing
