#include "sources/mysql/column_name.h"

#include <fmt/format.h>

namespace deltaforge::sources::mysql {
namespace {

std::string with_digits(const char* name, std::uint16_t digits) {
  return digits == 0 ? name : fmt::format("{}({})", name, digits);
}

std::string integer(const char* name, const TableColumn& column) {
  return column.is_unsigned ? fmt::format("{} unsigned", name) : name;
}

std::string with_labels(const char* name, const TableColumn& column) {
  std::string text = name;
  text += '(';
  for (const std::string& label : column.labels) {
    if (text.back() != '(') text += ',';
    text += '\'';
    for (char c : label) text += c == '\'' ? "''" : std::string(1, c);
    text += '\'';
  }
  return text + ')';
}

const char* text_or_bytes(const TableColumn& column, const char* text, const char* bytes) {
  return column.collation == kBinaryCollation ? bytes : text;
}

// The log counts bytes, SQL counts characters: for texts the length stays out.
std::string sized(const TableColumn& column, const char* text, const char* bytes) {
  return column.collation == kBinaryCollation ? fmt::format("{}({})", bytes, column.length) : text;
}

}  // namespace

std::string column_type_name(const TableColumn& column) {
  switch (column.type) {
    case ColumnType::tiny_int: return integer("tinyint", column);
    case ColumnType::small_int: return integer("smallint", column);
    case ColumnType::medium_int: return integer("mediumint", column);
    case ColumnType::int_: return integer("int", column);
    case ColumnType::big_int: return integer("bigint", column);
    case ColumnType::float_: return integer("float", column);
    case ColumnType::double_: return integer("double", column);
    case ColumnType::decimal: return fmt::format("decimal({},{})", column.meta >> 8, column.meta & 0xFF);
    case ColumnType::null: return "null";
    case ColumnType::date:
    case ColumnType::new_date: return "date";
    case ColumnType::old_time: return "time";
    case ColumnType::old_datetime: return "datetime";
    case ColumnType::old_timestamp: return "timestamp";
    case ColumnType::time: return with_digits("time", column.meta);
    case ColumnType::datetime: return with_digits("datetime", column.meta);
    case ColumnType::timestamp: return with_digits("timestamp", column.meta);
    case ColumnType::year: return "year";
    case ColumnType::bit: return fmt::format("bit({})", column.length);
    case ColumnType::enum_: return with_labels("enum", column);
    case ColumnType::set: return with_labels("set", column);
    case ColumnType::varchar:
    case ColumnType::varchar_compressed:
    case ColumnType::var_string: return sized(column, "varchar", "varbinary");
    case ColumnType::string: return sized(column, "char", "binary");
    case ColumnType::tiny_blob: return text_or_bytes(column, "tinytext", "tinyblob");
    case ColumnType::medium_blob: return text_or_bytes(column, "mediumtext", "mediumblob");
    case ColumnType::long_blob: return text_or_bytes(column, "longtext", "longblob");
    case ColumnType::blob:
    case ColumnType::blob_compressed: return text_or_bytes(column, "text", "blob");
    case ColumnType::json: return "json";
    case ColumnType::geometry: return "geometry";
    case ColumnType::vector: return fmt::format("vector({})", column.dimension);
  }
  return fmt::format("type {}", static_cast<int>(column.type));
}

}  // namespace deltaforge::sources::mysql
