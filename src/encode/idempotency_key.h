// The idempotency key of an event: {tenant or _}|{db}.{table}|{transaction id}|{event id}. Equal on
// every replay. `db` is the database's name for PostgreSQL too; the schema is not part of it.
#pragma once

#include <string_view>

#include "base/slab.h"
#include "core/event_id.h"

namespace deltaforge::encode {

inline void append_idempotency_key(std::string_view tenant, const Commit& commit, const Event& event, Slab& out) {
  out.append(tenant.empty() ? std::string_view("_") : tenant);
  out.append('|');
  out.append(event.schema->database);
  out.append('.');
  out.append(event.schema->table);
  out.append('|');
  if (!commit.transaction_id.empty()) out.append(commit.transaction_id);
  out.append('|');
  print_event_id(event_id(commit, event), out.room(36));
  out.add(36);
}

}  // namespace deltaforge::encode
