// Messages of the pgoutput plugin, protocol version 1 (PostgreSQL documentation, "Logical Replication Message
// Formats"). Pure functions over bytes; texts point into them. Row data is decoded in rows.h.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "sources/postgres/lsn.h"

namespace deltaforge::sources::postgres {

// Microseconds between the Unix epoch and PostgreSQL's, 2000-01-01.
inline constexpr std::int64_t kPostgresEpochUs = 946'684'800'000'000;

struct BeginMessage {
  Lsn commit{};  // where the commit record starts
  std::int64_t ts_us = 0;
  std::uint32_t xid = 0;
};

struct CommitMessage {
  Lsn commit{};
  Lsn end{};  // where the commit record ends: the position of the transaction
  std::int64_t ts_us = 0;
};

struct RelationMessage {
  struct Column {
    bool in_identity = false;
    std::string_view name;
    std::uint32_t type = 0;  // pg_type.oid
    std::int32_t modifier = -1;
  };
  std::uint32_t id = 0;  // pg_class.oid
  std::string_view schema, table;
  char identity = 'd';  // pg_class.relreplident: d, n, f, i
  std::vector<Column> columns;
};

struct TruncateMessage {
  std::vector<std::uint32_t> relations;
};

// Of pg_logical_emit_message().
struct LogicalMessage {
  bool transactional = false;
  Lsn end{};  // where its record ends
  std::string_view prefix, content;
};

// Each takes a whole message, its type byte included.
Result<BeginMessage> read_begin(Bytes);
Result<CommitMessage> read_commit(Bytes);
Result<RelationMessage> read_relation(Bytes);
Result<TruncateMessage> read_truncate(Bytes);
Result<LogicalMessage> read_logical(Bytes);

// The relation of an insert, update or delete; 0 for anything else.
std::uint32_t row_relation(Bytes);

// Messages that never carry data and change nothing here: type, origin, and the stream abort that PostgreSQL 18 sends
// to readers of protocol 1 as well.
bool may_be_ignored(char type);

}  // namespace deltaforge::sources::postgres
