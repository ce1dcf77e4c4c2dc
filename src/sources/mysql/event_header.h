// The header of an event of the binary log, and the types that we know. Format: MySQL and MariaDB source
// documentation, "Binary Log Event Header" (v4):
//
//   timestamp u32 | type u8 | server_id u32 | size u32 | log_pos u32 | flags u16
//
// `size` counts the header, the body and the checksum; `log_pos` is the end of the event in its file, modulo 2^32, and
// 0 for events that are not in the file.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {

enum class EventType : std::uint8_t {
  query = 2,
  stop = 3,
  rotate = 4,
  intvar = 5,
  append_block = 9,
  delete_file = 11,
  rand = 13,
  user_var = 14,
  format_description = 15,
  xid = 16,
  begin_load_query = 17,
  execute_load_query = 18,
  table_map = 19,
  write_rows_v1 = 23,
  update_rows_v1 = 24,
  delete_rows_v1 = 25,
  incident = 26,
  heartbeat = 27,
  ignorable = 28,
  rows_query = 29,
  write_rows = 30,
  update_rows = 31,
  delete_rows = 32,
  gtid = 33,
  anonymous_gtid = 34,
  previous_gtids = 35,
  transaction_context = 36,
  view_change = 37,
  xa_prepare = 38,
  partial_update_rows = 39,
  transaction_payload = 40,
  heartbeat_v2 = 41,
  gtid_tagged = 42,
  mariadb_annotate_rows = 160,
  mariadb_binlog_checkpoint = 161,
  mariadb_gtid = 162,
  mariadb_gtid_list = 163,
  mariadb_query_compressed = 165,
  mariadb_write_rows_compressed_v1 = 166,
  mariadb_update_rows_compressed_v1 = 167,
  mariadb_delete_rows_compressed_v1 = 168,
  mariadb_write_rows_compressed = 169,
  mariadb_update_rows_compressed = 170,
  mariadb_delete_rows_compressed = 171,
};

struct EventHeader {
  static constexpr std::size_t kSize = 19;
  static constexpr std::uint16_t kArtificial = 0x20;  // made for this connection, not in the file
  static constexpr std::uint16_t kIgnorable = 0x80;   // who does not know the type may pass over it

  std::uint32_t timestamp = 0;  // seconds since the Unix epoch
  EventType type{};
  std::uint32_t server_id = 0;
  std::uint32_t size = 0;
  std::uint32_t log_pos = 0;
  std::uint16_t flags = 0;
};

// Of at least kSize bytes.
inline EventHeader read_header(Bytes bytes) {
  Reader in(bytes);
  EventHeader header;
  header.timestamp = in.u32();
  header.type = EventType{in.u8()};
  header.server_id = in.u32();
  header.size = in.u32();
  header.log_pos = in.u32();
  header.flags = in.u16();
  return header;
}

}  // namespace deltaforge::sources::mysql
