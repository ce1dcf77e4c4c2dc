// What a QUERY event does, as far as the engine must know: transaction control, TRUNCATE, a row change in statement
// format, or anything else (DDL). Lexes just enough to be sure; never parses SQL. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace deltaforge::sources::mysql {

struct QueryEvent {
  std::string_view database;  // the default one of the session
  std::string_view sql;
  std::uint64_t sql_mode = 0;
  std::uint32_t collation = 0;  // of the text; 0: the event does not say
};

// `body`: the event after its header, without checksum:
// thread u32 | seconds u32 | database's size u8 | error u16 | size of variables u16 | variables | database NUL | text
// Before the variables of LOAD DATA: file u32 | begin of its name in the text u32 | end u32 | duplicates u8
Result<QueryEvent> read_query(Bytes body, bool loads = false);

struct Statement {
  enum class Kind {
    begin,
    commit,
    rollback,
    savepoint,
    rollback_to,
    xa_start,
    xa_commit,
    xa_rollback,
    truncate,
    unseen_change,  // SELECT, DO, CALL: a function or procedure changed rows, of which tables the text does not say
    row_change,     // INSERT, UPDATE, DELETE, CREATE ... SELECT as text: its rows are not in the log
    other,
  };
  // Database ("" for the session's) and table, without their quotes.
  using Name = std::pair<std::string, std::string>;

  Kind kind = Kind::other;
  std::string name;          // of a savepoint, in upper case; the id text of an XA statement
  std::vector<Name> tables;  // truncate: the table. row_change: every name in the text, tables among them
};

Statement classify(std::string_view sql, std::uint64_t sql_mode);

}  // namespace deltaforge::sources::mysql
