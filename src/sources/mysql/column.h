// One column of a table map, compiled: what reads its values out of row images. Texts and bytes point into the event
// where nothing has to be converted, else into the pages; both live as long as the batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/pages.h"
#include "core/value.h"
#include "sources/mysql/charset.h"
#include "sources/mysql/reader.h"
#include "sources/mysql/table_map.h"
#include "sources/mysql/temporal.h"

namespace deltaforge::sources::mysql {

// What MariaDB's log does not say of a column and its catalogue does.
struct ColumnHint {
  enum class As : std::uint8_t { column_type, uuid, inet4, inet6 };
  As as = As::column_type;
  std::uint8_t digits = 0;  // of the fraction, of old_time, old_datetime and old_timestamp
};

// UUID and INET stand in its log as bytes of a fixed length.
inline bool needs_hint(const TableColumn& column) {
  switch (column.type) {
    case ColumnType::old_time:
    case ColumnType::old_datetime:
    case ColumnType::old_timestamp: return true;
    case ColumnType::string: return column.collation == kBinaryCollation && (column.length == 16 || column.length == 4);
    default: return false;
  }
}

// What decoding needs besides the bytes. One object per source thread; nothing in it outlives a value except capacity.
struct Scratch {
  Pages* pages = nullptr;  // of the batch that is being filled
  TextConverter converter;
  DayText day;
  const char* why = nullptr;  // of the last failure
};

// Immutable once made; any number of threads may use it, each with its own scratch.
class ColumnDecoder {
 public:
  // Fails for types and character sets that we do not know.
  static Result<ColumnDecoder> make(const TableColumn&, ColumnHint = {});

  // One value that is not NULL. False: the bytes end early, or are no such value; `why` in scratch says more. Never
  // reads past the end.
  bool decode(Reader& in, Scratch& scratch, Value& out) const { return decode_(*this, in, scratch, out); }

  const std::string& name() const { return name_; }
  ColumnType type() const { return type_; }

 private:
  friend struct Decoders;
  using Decode = bool (*)(const ColumnDecoder&, Reader&, Scratch&, Value&);

  Decode decode_ = nullptr;
  const Charset* charset_ = nullptr;  // of texts
  std::uint32_t length_ = 0;          // bytes: of binary at most, of enum, set and bit exactly
  std::uint8_t prefix_ = 0;           // bytes of the length before the value
  std::uint8_t digits_ = 0;           // of the fraction; of a decimal: scale
  std::uint8_t precision_ = 0;        // of a decimal
  ColumnType type_ = ColumnType::null;
  std::string name_;
  std::vector<std::string> labels_;
};

}  // namespace deltaforge::sources::mysql
