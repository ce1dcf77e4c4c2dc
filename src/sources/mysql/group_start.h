// The events that open a group (a transaction, or a single statement) in the log: GTID, anonymous and tagged GTID of
// MySQL, GTID of MariaDB. Pure decoding; layouts at each reader.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "sources/mysql/event_header.h"
#include "sources/mysql/gtid_set.h"
#include "sources/mysql/mariadb_gtid.h"

namespace deltaforge::sources::mysql {

struct GroupStart {
  enum class Id { none, mysql, mariadb };
  Id id = Id::none;
  Sid sid;                // MySQL
  std::uint64_t gno = 0;  // MySQL
  MariadbGtid mariadb;
  std::int64_t commit_us = 0;  // at the server where it was committed first; 0: the event does not say
  bool prepares_xa = false;    // MariaDB: the rows of an XA transaction that is prepared
  std::string xid;             // MariaDB: of the XA transaction that is prepared or ended here
  bool standalone = false;     // MariaDB: one statement, without COMMIT. MySQL tells by the statement itself
};

// `body`: the event after its header, without checksum.
Result<GroupStart> read_group_start(const EventHeader&, Bytes body);

}  // namespace deltaforge::sources::mysql
