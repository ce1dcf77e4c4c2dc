// Sources and the intake they write into. All of it runs on the pipeline's source thread unless a line says otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/pages.h"
#include "core/batch.h"
#include "core/position.h"

namespace deltaforge {

class PlanReport;

// What a source says of a transaction when it commits.
struct TransactionInfo {
  std::int64_t ts_us = 0;           // commit time, microseconds since the Unix epoch
  Hash128 id_hash{};                // transaction_hash() of core/event_id.h
  std::string_view transaction_id;  // text in the intake's pages, or static
};

// Where a source puts what it reads. Implemented by the pipeline; none of its calls ever blocks.
class Intake {
 public:
  virtual ~Intake() = default;
  // May more be read? Cuts a batch that is due. False when memory is used up or the pipeline is paused (pause counts
  // only between transactions): then read nothing, keep the connection alive, wait on wake_fd() until deadline(),
  // and ask again. It must have said yes since the last commit() or rollback() before anything below is called,
  // idle(), rollback() and drained() excepted. Throws Error{limit} when the open transaction is larger than
  // batch.max_tx_bytes.
  virtual bool room() = 0;
  // A new event of the open transaction; its images point into pages().
  virtual Event& event() = 0;
  // Whoever asks for them is inside a transaction from here on: no batch is cut before its end.
  virtual Pages& pages() = 0;
  // Ends the open transaction.
  virtual void commit(const Mark&, const TransactionInfo&) = 0;
  // A position-only record: no captured row up to this mark, which replaces an earlier one. Only between
  // transactions; cheap, and sent on at most every 10 s while nothing else happens.
  virtual void idle(const Mark&) = 0;
  // Forgets what follows the last commit: the link was lost, or the transaction was aborted.
  virtual void rollback() = 0;
  // The source's stream is empty just now: a batch of whole transactions need not wait for its timer.
  virtual void drained() = 0;
  // When room() wants to be asked again at the latest.
  virtual SteadyTime deadline() const = 0;
  // Readable when room() wants to be asked again at once. room() clears it.
  virtual int wake_fd() const = 0;
};

// A few durable values of one source: intents, identities. put() has been fsynced when it returns.
class SourceState {
 public:
  virtual ~SourceState() = default;
  virtual std::optional<std::string> get(std::string_view key) = 0;
  virtual void put(std::string_view key, std::string_view value) = 0;
  virtual void erase(std::string_view key) = 0;
  virtual void erase_prefix(std::string_view prefix) = 0;
};

struct Start {
  // Where to read from: what every sink already has. Empty at the first start of a pipeline.
  Position meet;
  // Each lane's own position, for sources whose server must be asked about every one of them.
  std::vector<Position> lanes;
  SourceState* state = nullptr;
  // First start only: stores where this pipeline begins, for every sink, before the first row is read. Durable when
  // it returns.
  std::function<void(const Position&)> begin_at;
  // The server answered and streaming has begun: ends `starting` and resets the reconnect back-off.
  std::function<void()> connected;
  // A condition that the operator should see in the status ("publication lacks table x"). Empty text clears it.
  std::function<void(std::string_view key, std::string_view text)> warn;
};

// Numbers for the metrics; read by any thread.
struct SourceGauges {
  std::int64_t log_end_lag_bytes = -1;  // server's end of log minus what was read; -1 unknown
  std::int64_t idle_us = 0;             // since the last message of the server
  std::uint64_t received_bytes = 0;     // of the log, in the life of this object
  std::uint64_t passed_bytes = 0;       // the same with what the server left out; 0: not known, or the same
  std::uint64_t schemas_known = 0;      // descriptions of a table that repeated what was known
  std::uint64_t schemas_learnt = 0;     // and those that said something new
};

class Source {
 public:
  virtual ~Source() = default;
  // Reads until stop is requested, then returns between two messages. Throws Error: the supervisor calls run() again
  // with back-off (unavailable), or fails the pipeline. Every call starts with a new connection; what the intake
  // holds of an unfinished transaction has been rolled back before.
  virtual void run(Intake&, const Start&, std::stop_token) = 0;
  // Everything up to here is delivered and stored: the server may discard its log. Checkpoint thread; must not block.
  virtual void release(const Position&) = 0;
  virtual const PositionAlgebra& positions() const = 0;
  // The pipeline is deleted: removes what this source made on its server, as far as `state` shows that it did. On one
  // that never ran, any thread. Throws Error.
  virtual void retire(SourceState&) {}
  // What run() would find on the server and do there, without doing it: read-only, every wait 10 s at most. Of Start it
  // is given the positions and a state that is thrown away. On one that never ran, any thread. What it throws is a
  // problem, too.
  virtual void plan(const Start&, PlanReport&) {}
  // Any thread.
  virtual SourceGauges gauges() const { return {}; }
};

}  // namespace deltaforge
