// The world outside a simulated engine: the source's log, the store, the sinks' servers. It survives a crash of the
// engine, and it is where the promises are checked at the moment they would break, not only at the end.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/position.h"

namespace deltaforge::pipeline::testing {

// Positions of the simulated source: one number, as PostgreSQL has.
struct SimMark {
  std::uint64_t end;
};

struct SimPosition final : PositionData {
  explicit SimPosition(std::uint64_t at) : end(at) {}
  std::unique_ptr<PositionData> clone() const override { return std::make_unique<SimPosition>(end); }
  void assign(const PositionData& other) override { end = static_cast<const SimPosition&>(other).end; }
  std::uint64_t end;
};

inline Position sim_position(std::uint64_t end) { return Position(std::make_unique<SimPosition>(end)); }
inline std::uint64_t end_of(const Position& position) { return position.empty() ? 0 : position.as<SimPosition>().end; }

class SimAlgebra final : public PositionAlgebra {
 public:
  bool covers(const Position& position, const Mark& mark) const override {
    return !position.empty() && end_of(position) >= mark.as<SimMark>().end;
  }
  void advance(Position& position, std::span<const Mark> marks) const override {
    for (const Mark& mark : marks) {
      auto& end = position.as<SimPosition>().end;
      end = std::max(end, mark.as<SimMark>().end);
    }
  }
  Position meet(const Position& a, const Position& b) const override {
    if (a.empty() || b.empty()) return {};
    return sim_position(std::min(end_of(a), end_of(b)));
  }
  bool equal(const Position& a, const Position& b) const override { return end_of(a) == end_of(b); }
  LogPlace place(const Mark& mark) const override { return {0, mark.as<SimMark>().end}; }
  std::string print(const Position& position) const override {
    return "\"server\":{},\"stream\":{\"end\":" + std::to_string(end_of(position)) + "},\"tracks\":{}";
  }
  Position parse(std::string_view record) const override;
  std::string show(const Position& position) const override { return std::to_string(end_of(position)); }
};

// One source transaction. Its rows are numbered 1, 2, ... ; a transaction without rows is one of foreign tables.
struct SimTransaction {
  std::uint64_t end;  // its commit's end
  std::uint32_t rows;
};

struct SimRow {
  std::uint64_t transaction;  // SimTransaction::end
  std::uint32_t row;
  auto operator<=>(const SimRow&) const = default;
};

struct SimServer {  // of one sink
  std::string id;
  bool required = true, holds_position = false;
  std::vector<SimRow> rows;           // everything that ever arrived, in order
  std::uint64_t complete_to = 0;      // rows of all transactions up to here have arrived
  std::optional<std::uint64_t> held;  // position written in the same act as rows
  bool down = false;
  struct Sent {
    SimRow first, last;
  };
  bool same_deliveries = false;   // it asks for them
  std::vector<Sent> sent;         // of what it was asked to take, each that was new
  std::optional<SimRow> refused;  // the last row that it refused; since the engine's start
};

class SimRows;

class SimWorld {
 public:
  explicit SimWorld(unsigned seed);

  // A number below `bound`.
  unsigned pick(unsigned bound) { return static_cast<unsigned>(random() % bound); }
  bool chance(unsigned percent) { return faults && pick(100) < percent; }

  void arrived(SimServer&, SimRow);
  void wrote(SimServer&, std::uint64_t held);  // a sink's own position
  void stored(const std::string& sink, std::uint64_t end);
  void released(std::uint64_t end);
  // At the end of a run in which everything was delivered.
  void check_complete();
  [[noreturn]] void broken(const std::string& promise);
  // With DF_SIM_TRACE in the environment what happens is printed.
  template <class... Args>
  void trace(fmt::format_string<Args...> text, Args&&... args) const {
    if (traced_) fmt::print(stderr, "{}\n", fmt::format(text, std::forward<Args>(args)...));
  }

  std::minstd_rand random;
  bool faults = true;
  std::vector<SimTransaction> log;
  std::vector<SimServer> sinks;
  std::map<std::string, std::uint64_t> checkpoints;  // what the store holds, by sink
  std::uint64_t released_to = 0;
  std::uint64_t duplicates = 0, crashes = 0, restarts = 0;
  std::uint64_t same = 0;   // deliveries that came again as they were
  SimRows* rows = nullptr;  // with a journal

 private:
  const bool traced_ = std::getenv("DF_SIM_TRACE") != nullptr;
};

}  // namespace deltaforge::pipeline::testing
