// XA transactions in two phases. The log holds the rows of one at its PREPARE; what becomes of them it says later, in a
// transaction of its own, and others come in between. Positions pass the PREPARE, so until then the rows are kept, as
// they came, in the source's durable state: one value a transaction, key "xa/<its id in hex>". Source thread only.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

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

  // XA PREPARE: what was added is durable when it returns.
  void prepare();
  // The end of XA COMMIT ... ONE PHASE, or of a prepared one: calls with each event of it, in order.
  using OnEvent = std::function<void(const EventHeader&, std::span<std::byte> body)>;
  void replay_open(const OnEvent&);
  void replay(std::string_view id, const OnEvent&);
  // Committed or rolled back by the transaction that ends at `mark`.
  void resolved(std::string_view id, const Mark&);
  // Everybody has what `position` covers: those need no rows any more.
  void forget(const PositionAlgebra&, const Position&);
  static void forget_all(SourceState&);

 private:
  static void replay_events(std::string& events, const OnEvent&);

  SourceState& state_;
  std::string id_, events_;  // of the open one
  bool has_rows_ = false;
  struct Resolved {
    std::string key;
    Mark mark;
  };
  std::deque<Resolved> resolved_;
};

}  // namespace deltaforge::sources::mysql
