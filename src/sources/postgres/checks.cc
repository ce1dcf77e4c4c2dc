#include "sources/postgres/checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace deltaforge::sources::postgres {

Error position_lost(const std::string& reason, const std::string& slot) {
  return Error(ErrorKind::position_lost, "position lost: " + reason + ". Re-snapshot required.",
               fmt::format("to go on without those changes: stop deltaforge, SELECT pg_drop_replication_slot('{}'), "
                           "delete the pipeline's checkpoints from its state (kv view), give each file sink an empty "
                           "directory, and start again",
                           slot));
}

void check_server(const ServerFacts& server) {
  if (server.version < 130000)
    throw Error(ErrorKind::unsupported,
                fmt::format("the server is PostgreSQL {}: not in this build", server.version / 10000),
                "PostgreSQL 13 or newer is needed");
  if (server.wal_level != "logical")
    throw Error(ErrorKind::config,
                fmt::format("the server's wal_level is {}, streaming needs logical", server.wal_level),
                "ALTER SYSTEM SET wal_level = 'logical'; then restart the server");
}

void check_slot(const SlotFacts& slot, const std::string& name, const ServerFacts& server) {
  auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::config, fmt::format("replication slot \"{}\" cannot be used: {}", name, why),
                fmt::format("name another slot, or SELECT pg_drop_replication_slot('{}') to have it made anew", name));
  };
  if (slot.type != "logical") refuse("it is a physical one");
  if (slot.plugin != "pgoutput") refuse("its plugin is " + slot.plugin + ", not pgoutput");
  if (slot.database != server.database)
    refuse(fmt::format("it belongs to database {}, the dsn leads to {}", slot.database, server.database));
  if (slot.wal_status == "lost" || !slot.invalidation.empty())
    throw position_lost(
        fmt::format(
            "the server no longer keeps the log that slot \"{}\" needs (wal_status {}{}{}): it was invalidated, "
            "all changes after {} are lost to it; look at max_slot_wal_keep_size",
            name, slot.wal_status, slot.invalidation.empty() ? "" : ", ", slot.invalidation,
            slot.confirmed == Lsn{} ? "its confirmed position" : to_string(slot.confirmed)),
        name);
}

void check_slot_is_free(const SlotFacts& slot, const std::string& name) {
  if (slot.active_pid == 0) return;
  throw Error(ErrorKind::unavailable,
              fmt::format("replication slot \"{}\" is active for PID {}", name, slot.active_pid),
              fmt::format("another reader uses it, or the server has not noticed yet that one is gone; if it is not "
                          "wanted: SELECT pg_terminate_backend({})",
                          slot.active_pid));
}

void check_position(const WalPosition& at, const std::string& slot, const ServerFacts& server,
                    std::span<const TimelineEnd> history) {
  auto lost = [&](const std::string& reason) { throw position_lost(reason, slot); };
  if (at.system != server.system)
    lost(fmt::format("the position {} belongs to the server with system identifier {}, the dsn leads to {}",
                     to_string(at.lsn), at.system, server.system));
  if (at.database != server.database)
    lost(fmt::format("the position {} belongs to database {}, the dsn leads to {}", to_string(at.lsn), at.database,
                     server.database));
  if (at.timeline != server.timeline) {
    auto ours = std::ranges::find(history, at.timeline, &TimelineEnd::timeline);
    if (ours == history.end())
      lost(fmt::format("the position {} is on timeline {}, which is not in the past of the server's timeline {}",
                       to_string(at.lsn), at.timeline, server.timeline));
    if (ours->end < at.lsn)
      lost(
          fmt::format("the server left our timeline {} at {}, before our position {}: the changes in between exist on "
                      "the old server only",
                      at.timeline, to_string(ours->end), to_string(at.lsn)));
  }
  if (at.lsn > server.flushed)
    lost(
        fmt::format("the position {} lies past the end of the server's log {}: it is an older copy of the server that "
                    "we read from",
                    to_string(at.lsn), to_string(server.flushed)));
}

void check_slot_covers(const WalPosition& start, const SlotFacts& slot, const std::string& name) {
  if (!slot.exists)
    throw position_lost(
        fmt::format("replication slot \"{}\" does not exist any more, the changes after {} cannot be read", name,
                    to_string(start.lsn)),
        name);
  if (slot.confirmed > start.lsn)
    throw position_lost(fmt::format("replication slot \"{}\" stands at {}, past our position {}: it was advanced, or "
                                    "dropped and made again, or our position is an old one that was restored; the "
                                    "changes between the two are not in it",
                                    name, to_string(slot.confirmed), to_string(start.lsn)),
                        name);
}

}  // namespace deltaforge::sources::postgres
