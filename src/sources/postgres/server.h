// What the server says of itself, of our slot and of its timelines. Read anew at every start of streaming, on the very
// connection that will stream.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sources/postgres/connection.h"
#include "sources/postgres/lsn.h"

namespace deltaforge::sources::postgres {

struct ServerFacts {
  std::uint64_t system = 0;
  std::uint32_t timeline = 0;
  std::string database;
  std::string user;
  std::string wal_level;
  bool in_recovery = false;
  int version = 0;
  Lsn flushed{};  // end of what is durable there
  std::chrono::milliseconds wal_sender_timeout{60'000};
};

struct SlotFacts {
  bool exists = false;
  std::string type, plugin, database;
  int active_pid = 0;        // 0: nobody uses it
  std::string wal_status;    // reserved, extended, unreserved, lost
  std::string invalidation;  // why it was invalidated, in the server's words; empty: it was not
  Lsn confirmed{};
  Lsn restart{};  // where the server's log must be kept from
};

// A timeline ended at `end`, where its successor in the list begins.
struct TimelineEnd {
  std::uint32_t timeline = 0;
  Lsn end{};
};

ServerFacts read_server(Session& replication);
// The same over any session, without system identifier and timeline.
ServerFacts read_settings(Session&);
SlotFacts read_slot(Session&, const std::string& slot);
// The ancestors of a timeline, oldest first.
std::vector<TimelineEnd> read_history(Session& replication, std::uint32_t timeline);

// A row of pg_replication_slots as JSON: which columns it has depends on the version (13 to 18).
SlotFacts parse_slot(std::string_view json);
// The content of a history file.
std::vector<TimelineEnd> parse_history(std::string_view text);

}  // namespace deltaforge::sources::postgres
