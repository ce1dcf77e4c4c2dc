// TABLE_MAP events: the columns of one table as the log knows them, for the rows events that follow. Strings are
// copies, so that a map may outlive its event; names and labels are UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace deltaforge::sources::mysql {

enum class Flavor : std::uint8_t { mysql, mariadb };

// The types of the log, by their number on the wire.
enum class ColumnType : std::uint8_t {
  tiny_int = 1,
  small_int = 2,
  int_ = 3,
  float_ = 4,
  double_ = 5,
  null = 6,
  old_timestamp = 7,  // before 5.6, or MariaDB with mysql56_temporal_format=OFF; so are old_time, old_datetime
  big_int = 8,
  medium_int = 9,
  date = 10,
  old_time = 11,
  old_datetime = 12,
  year = 13,
  new_date = 14,
  varchar = 15,
  bit = 16,
  timestamp = 17,
  datetime = 18,
  time = 19,
  blob_compressed = 140,     // MariaDB
  varchar_compressed = 141,  // MariaDB
  vector = 242,
  json = 245,
  decimal = 246,
  enum_ = 247,  // on the wire enum_ and set hide inside string
  set = 248,
  tiny_blob = 249,
  medium_blob = 250,
  long_blob = 251,
  blob = 252,
  var_string = 253,
  string = 254,
  geometry = 255,
};

inline constexpr std::uint32_t kBinaryCollation = 63;  // of bytes

struct TableColumn {
  ColumnType type = ColumnType::null;
  std::uint16_t meta = 0;    // decimal: precision << 8 | scale; temporal: digits of the fraction
  std::uint32_t length = 0;  // bytes: of a string or varchar at most, of an enum or set exactly; bits of a bit
  bool nullable = false;
  bool is_unsigned = false;
  std::uint32_t collation = 0;      // 0: the log did not say
  std::uint32_t dimension = 0;      // of a vector
  std::string name;                 // empty without binlog_row_metadata=FULL
  std::vector<std::string> labels;  // of an enum or set
};

struct KeyPart {
  std::uint32_t column = 0;
  std::uint32_t prefix = 0;  // characters; 0: the whole column
};

struct TableMap {
  std::uint64_t id = 0;
  std::string database, table;
  std::vector<TableColumn> columns;
  std::vector<KeyPart> primary_key;
  bool has_names = false;       // binlog_row_metadata=FULL
  bool has_signedness = false;  // not so in MySQL 5.7 and with MariaDB's NO_LOG
};

// Only whose map it is; the names are the body's own bytes, unchecked. For tables that nobody captures.
struct TableName {
  std::uint64_t id = 0;
  std::string_view database, table;
};
Result<TableName> read_table_name(Bytes body);

// `body`: the event after its header, without checksum.
Result<TableMap> read_table_map(Bytes body, Flavor);

}  // namespace deltaforge::sources::mysql
