// May streaming begin where we stand? The server accepts any start position without a word and sends what it has:
// after a slot was advanced or made again, after a fail-over to a server that lags, that is less than what we need.
// So every start is compared first, and each mismatch is an Error that names what is missing and
// what to do. Pure functions of what server.h has read.
#pragma once

#include <span>
#include <string>

#include "base/error.h"
#include "sources/postgres/server.h"
#include "sources/postgres/wal_position.h"

namespace deltaforge::sources::postgres {

// Can this server be streamed from at all?
void check_server(const ServerFacts&);
// Is the slot one that we can use, whoever made it? It must exist.
void check_slot(const SlotFacts&, const std::string& name, const ServerFacts&);
// Nobody else reads from the slot. Error{unavailable}: the other one may be our own connection that was cut.
void check_slot_is_free(const SlotFacts&, const std::string& name);
// Is the log that `at` speaks of the log of this server, and does the server have it up to there?
void check_position(const WalPosition& at, const std::string& slot, const ServerFacts&,
                    std::span<const TimelineEnd> history);
// Does the slot still have everything after `start`?
void check_slot_covers(const WalPosition& start, const SlotFacts&, const std::string& name);

// "position lost: <reason>. Re-snapshot required." and how to go on without it.
Error position_lost(const std::string& reason, const std::string& slot);

}  // namespace deltaforge::sources::postgres
