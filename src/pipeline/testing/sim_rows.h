// What the rows of a simulated log say when there is a journal: their keys, who refuses them, and the promises of dead
// letters, checked at the moment they would break. Part of the world: it survives crashes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/event.h"
#include "pipeline/testing/sim_store.h"
#include "pipeline/testing/sim_world.h"

namespace deltaforge::pipeline::testing {

struct SimChange {
  SimRow row;
  Op op = Op::create;
  unsigned table = 0;
  std::optional<unsigned> before, after;  // keys; TRUNCATE has none
  std::vector<std::uint32_t> earlier;     // changes of the same rows before it
  std::string event_id;

  std::set<unsigned> keys() const;
  bool meets(const SimChange&) const;
};

class SimRows {
 public:
  SimRows(SimWorld& world, SimStore& store);

  const bool parks;
  const std::vector<std::string>& processors() const { return processors_; }
  const SimChange& change(SimRow row) const { return changes_[index(row)]; }
  static const TableSchema& schema(unsigned table);

  // Stages by name: "sink:s0", "processor:p1".
  bool refuses(const std::string& stage, SimRow row) const;
  void mend(const std::string& stage) { mended_.insert(stage); }
  void mend_all();
  std::vector<std::string> stages() const;

  // Something happened that excuses rows that come once more: to one sink, or to all.
  void fault(const SimServer& sink) { ++of(sink).faults; }
  void fault();

  // The same promises as those of SimWorld, of rows that may also be kept or given up.
  void arrived(const SimServer&, SimRow, bool by_stream, bool whole);
  void covered(const SimServer&, std::uint64_t end);  // by a position, stored here or there
  void check_complete();
  // An entry of the journal, for a person: its stage, its event id, its row.
  std::string name(const std::string& entry) const;

  // What happened, for those who look whether enough did.
  struct Sums {
    std::uint64_t rows = 0, kept = 0, parked = 0, replayed = 0, given_up = 0;
  };
  const Sums& sums() const { return sums_; }

 private:
  struct Row {
    bool has = false, excused = false;
    std::uint64_t faults = 0;  // when it last came
  };
  struct Server {
    std::string id;
    std::vector<Row> rows;
    std::uint64_t faults = 0;
    std::size_t covered = 0;  // of the changes, from the first on
    std::size_t clean = 0;    // the next that nobody refuses
  };
  std::uint32_t index(SimRow row) const;
  Server& of(const SimServer& sink);
  void make_change(SimRow);
  std::string where(std::size_t row) const;
  void choose_refused();
  bool comes_again(std::size_t row) const;
  bool is_clean(const Server&, std::size_t row) const;
  // By the sink or by a processor; but for this queue of this stage.
  bool is_kept(const Server&, std::size_t row, std::string_view stage = {}, std::string_view queue = {}) const;
  void leaving(std::string_view queue, const Store::Item&, bool given_up);

  SimWorld& world_;
  SimStore& store_;
  std::vector<SimChange> changes_;
  std::map<std::uint64_t, std::uint32_t> first_of_;  // by transaction
  std::map<std::string, std::uint32_t> by_id_;
  std::vector<std::string> processors_;
  std::vector<Server> servers_;
  std::map<std::string, std::vector<bool>> refused_;  // by stage
  std::set<std::string> mended_;
  Sums sums_;
};

}  // namespace deltaforge::pipeline::testing
