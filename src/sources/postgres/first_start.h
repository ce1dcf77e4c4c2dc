// The first start of a pipeline: publication, intent (fsynced), slot, position - in this order, each step found done
// or undone again after a crash between any two of them.
#pragma once

#include <string>

#include "config/node.h"
#include "config/report.h"
#include "core/source.h"
#include "sources/postgres/publication.h"
#include "sources/postgres/server.h"
#include "sources/postgres/wal_position.h"

namespace deltaforge::sources::postgres {

// Where a pipeline without a position begins.
struct StartPosition {
  enum class Kind { earliest, latest, lsn } kind = Kind::earliest;
  Lsn lsn{};
};
// earliest, latest, "lsn:0/16B6C50", {lsn: "0/16B6C50"}
void read_start_position(const config::Node&, StartPosition&, config::Report&);

struct FirstStart {
  Session& replication;  // idle; makes the slot
  Session& statements;   // looks who is in the way meanwhile
  const ServerFacts& server;
  Publication& publication;
  std::string slot;
  StartPosition wanted;
};

// What begin() looks at before it makes anything. A publication that does not exist: may it be made?
void check_can_be_made(const std::string& slot, bool slot_exists, const StartPosition& wanted, const ServerFacts&);
// Whether begin() made the slot, or is about to.
bool made_by_us(const std::string& slot, const ServerFacts&, SourceState&);
// `oldest` is where the slot begins, `flushed` where the log ends.
void check_wanted(const StartPosition& wanted, const std::string& slot, Lsn oldest, Lsn flushed);
// Who holds up the creation of a slot, which waits for every transaction that is open when it begins. Empty: nobody.
std::string open_transactions(Session&);
std::string create_slot_command(const Session&, const std::string& slot);

// Returns where streaming begins; start.begin_at() has made it durable.
WalPosition begin(const FirstStart&, const Start&);

// The publication must be the one that the pipeline began with: what is written while none exists cannot be read
// later. Up to PostgreSQL 17 the server says so when it comes to such a change; from 18 on it skips it silently.
void check_publication(const Publication&, const std::string& name, const std::string& slot, const WalPosition& at,
                       const ServerFacts&, SourceState&);

// The end of a pipeline: drops the slot that begin() made and the publications that are ours. What was there before us
// stays, and the log says so. `session` is one of kind replication.
void undo(Session& session, const ServerFacts&, Publication&, const std::string& slot, SourceState&);

}  // namespace deltaforge::sources::postgres
