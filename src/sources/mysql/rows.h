// Rows events (WRITE, UPDATE, DELETE, PARTIAL_UPDATE; versions 1 and 2; MariaDB's compressed ones) -> images, by the
// plan of their table. Nothing is allocated for a row but values in the pages.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/pages.h"
#include "core/event.h"
#include "sources/mysql/column.h"
#include "sources/mysql/event_header.h"
#include "sources/mysql/table_map.h"

namespace deltaforge::sources::mysql {

enum class RowsKind : std::uint8_t { write, update, remove, partial_update };

struct RowsHeader {
  static constexpr std::uint64_t kNoTable = 0xFFFFFF;  // of an event that only ends the statement: no rows

  std::uint64_t table_id = 0;
  RowsKind kind = RowsKind::write;
  std::size_t columns = 0;
  Bytes in_before, in_after;  // which columns are in the image, the lowest bit first; empty without that image
  Bytes rows;
  std::size_t rows_offset = 0;  // in the body, for messages
};

bool is_rows_event(EventType);

// `body`: the event after its header, without checksum. Of a compressed event the rows are inflated into `pages`, of
// others they are the body's own.
Result<RowsHeader> read_rows_header(EventType, Bytes body, Pages& pages);

// How the rows of one table map are read. Immutable; must outlive its readers.
class RowPlan {
 public:
  // `hints`: one per column, or none at all. Fails when there is a column that we cannot read.
  static Result<RowPlan> make(const TableMap&, std::span<const ColumnHint> hints = {});

  std::span<const ColumnDecoder> columns() const { return columns_; }
  std::string_view table() const { return table_; }  // "db.table", for messages
  std::size_t json_columns() const { return json_columns_; }

 private:
  std::string table_;
  std::vector<ColumnDecoder> columns_;
  std::size_t json_columns_ = 0;
};

class RowsReader {
 public:
  // The bytes that the header points to must live as long as the batch, since values point into them.
  RowsReader(const RowsHeader&, const RowPlan&, Scratch&);

  // False at the end. An image that the event does not have is not present; a column that its image leaves out is
  // absent. A failure names the table and the column, never a value.
  Result<bool> next(Image& before, Image& after);

 private:
  struct Columns {
    Bytes bits;
    std::size_t count = 0;
    bool all = false;
  };
  Columns columns_of(Bytes bits) const;
  bool read_before(Image&);
  bool read_after(Image&);
  bool read_image(const Columns&, Image&);
  bool read_partial(Image&);
  void keep_document(std::size_t column);
  bool read_diff(std::size_t column, Value&);
  bool fail_at(std::size_t column, const char* why);
  DecodeFailure failure() const;

  const RowPlan& plan_;
  Scratch& scratch_;
  Reader in_;
  RowsKind kind_;
  std::size_t sent_columns_, rows_offset_;
  Columns before_, after_;
  std::span<Bytes> documents_;  // JSON columns of the before-image, of a partial update
  std::string why_;
};

}  // namespace deltaforge::sources::mysql
