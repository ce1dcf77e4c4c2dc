// XA transactions in two phases. The log holds the rows of one at its PREPARE; what becomes of them it says later, in a
// transaction of its own, and others come in between. Positions pass the PREPARE, so until then the rows are kept, as
// they came, in the source's durable state. An id may come again as soon as it is resolved, while a sink still lacks
// the rows it stood for before: so rows lie under the id and the transaction of their PREPARE, "xa/<id in hex>/<GTID or
// place>", and "xa/<id in hex>" lists the PREPAREs of the id, each with what ended it. Whoever reads a part of the log
// again finds for each end the PREPARE that it ended then. Source thread only.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/position.h"
#include "core/source.h"
#include "sources/mysql/event_header.h"

namespace deltaforge::sources::mysql {

class PreparedTransactions {
 public:
  explicit PreparedTransactions(SourceState& state) : state_(state) {}

  // XA START. `id` as the statement writes it.
  void begin(std::string_view id);
  // An event of it, without checksum. Throws Error{limit} when it becomes too large to keep.
  void add(const EventHeader&, Bytes body);
  // Rows of a captured table are among the events.
  void holds_rows() { has_rows_ = true; }

  // XA PREPARE, in the transaction `at`: what was added is durable when it returns.
  void prepare(const std::string& at);
  // XA COMMIT ... ONE PHASE: calls with each event, in order.
  using OnEvent = std::function<void(const EventHeader&, std::span<std::byte> body)>;
  void replay_open(const OnEvent&);
  // XA COMMIT (calls with each event, in order) or XA ROLLBACK (no calls), in the transaction `at`, which ends at
  // `mark`.
  void resolve(std::string_view id, const std::string& at, const Mark& mark, const OnEvent&);
  // Everybody has what `position` covers: those need no rows any more.
  void forget(const PositionAlgebra&, const Position&);
  static void forget_all(SourceState&);

 private:
  // Transactions: of a PREPARE, and of what ended it ("": nothing yet). In the order in which they were read first.
  using Prepared = std::pair<std::string, std::string>;
  std::vector<Prepared> prepared(std::string_view id);
  static void replay_events(std::string& events, const OnEvent&);

  SourceState& state_;
  std::string id_, events_;  // of the open one
  bool has_rows_ = false;
  struct Resolved {
    std::string id, prepared, ended;
    Mark mark;
  };
  std::deque<Resolved> resolved_;  // and not forgotten. In this run; `ended` is stored when the id is used again
};

}  // namespace deltaforge::sources::mysql
