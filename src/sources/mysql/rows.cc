#include "sources/mysql/rows.h"

#include "sources/mysql/inflate.h"
#include "sources/mysql/json_diff.h"

namespace deltaforge::sources::mysql {
namespace {

struct Form {
  RowsKind kind = RowsKind::write;
  bool has_extra = false;  // version 2
  bool compressed = false;
  bool known = true;
};

Form form_of(EventType type) {
  switch (type) {
    case EventType::write_rows_v1: return {RowsKind::write};
    case EventType::update_rows_v1: return {RowsKind::update};
    case EventType::delete_rows_v1: return {RowsKind::remove};
    case EventType::write_rows: return {RowsKind::write, true};
    case EventType::update_rows: return {RowsKind::update, true};
    case EventType::delete_rows: return {RowsKind::remove, true};
    case EventType::partial_update_rows: return {RowsKind::partial_update, true};
    case EventType::mariadb_write_rows_compressed_v1: return {RowsKind::write, false, true};
    case EventType::mariadb_update_rows_compressed_v1: return {RowsKind::update, false, true};
    case EventType::mariadb_delete_rows_compressed_v1: return {RowsKind::remove, false, true};
    case EventType::mariadb_write_rows_compressed: return {RowsKind::write, true, true};
    case EventType::mariadb_update_rows_compressed: return {RowsKind::update, true, true};
    case EventType::mariadb_delete_rows_compressed: return {RowsKind::remove, true, true};
    default: return {RowsKind::write, false, false, false};
  }
}

bool bit(Bytes bits, std::size_t index) { return (static_cast<unsigned>(bits[index / 8]) >> (index % 8) & 1) != 0; }

std::size_t bytes_of(std::size_t bits) { return bits / 8 + (bits % 8 != 0 ? 1 : 0); }

}  // namespace

bool is_rows_event(EventType type) { return form_of(type).known; }

Result<RowsHeader> read_rows_header(EventType type, Bytes body, Pages& pages) {
  const Form form = form_of(type);
  Reader in(body);
  RowsHeader header;
  header.kind = form.kind;
  header.table_id = in.u48();
  in.skip(2);  // flags
  if (form.has_extra) {
    std::size_t size = in.u16();  // counts itself
    if (size < 2) in.fail();
    in.skip(size - 2);
  }
  header.columns = static_cast<std::size_t>(in.packed());
  const std::size_t width = bytes_of(header.columns);
  if (form.kind != RowsKind::write) header.in_before = in.bytes(width);
  if (form.kind != RowsKind::remove) header.in_after = in.bytes(width);
  header.rows_offset = in.offset();
  header.rows = in.rest();
  if (!form.known) return DecodeFailure{"not a rows event", 0};
  if (!in.ok()) return DecodeFailure{"rows event ends early", in.offset()};
  if (!form.compressed || header.rows.empty()) return header;
  Result<Bytes> inflated = inflate_mariadb(header.rows, pages);
  if (!inflated) return DecodeFailure{inflated.failure().what, header.rows_offset};
  header.rows = *inflated;
  return header;
}

Result<RowPlan> RowPlan::make(const TableMap& map, std::span<const ColumnHint> hints) {
  RowPlan plan;
  plan.table_ = map.database + "." + map.table;
  plan.columns_.reserve(map.columns.size());
  for (std::size_t i = 0; i < map.columns.size(); ++i) {
    auto made = ColumnDecoder::make(map.columns[i], i < hints.size() ? hints[i] : ColumnHint{});
    if (!made) return DecodeFailure{"table " + plan.table_ + ", " + made.failure().what, 0};
    plan.json_columns_ += map.columns[i].type == ColumnType::json ? 1 : 0;
    plan.columns_.push_back(std::move(*made));
  }
  return plan;
}

RowsReader::RowsReader(const RowsHeader& header, const RowPlan& plan, Scratch& scratch)
    : plan_(plan),
      scratch_(scratch),
      in_(header.rows),
      kind_(header.kind),
      sent_columns_(header.columns),
      rows_offset_(header.rows_offset),
      before_(columns_of(header.in_before)),
      after_(columns_of(header.in_after)) {
  scratch_.why = nullptr;
  if (kind_ == RowsKind::partial_update) documents_ = scratch_.pages->array<Bytes>(plan_.columns().size());
}

RowsReader::Columns RowsReader::columns_of(Bytes bits) const {
  Columns columns{bits, 0, false};
  for (std::size_t i = 0; i < sent_columns_ && i / 8 < bits.size(); ++i) columns.count += bit(bits, i) ? 1 : 0;
  columns.all = columns.count == sent_columns_;
  return columns;
}

Result<bool> RowsReader::next(Image& before, Image& after) {
  before = after = Image{};
  if (in_.left() == 0) return false;
  if (sent_columns_ != plan_.columns().size()) {
    why_ = "the rows have " + std::to_string(sent_columns_) + " columns, their table map has " +
           std::to_string(plan_.columns().size());
    return failure();
  }
  const bool has_before = kind_ != RowsKind::write, has_after = kind_ != RowsKind::remove;
  const std::size_t start = in_.offset();
  if (has_before && !read_before(before)) return failure();
  if (has_after && !read_after(after)) return failure();
  if (in_.offset() == start) {  // images without columns: this would never end
    why_ = "rows without columns that have bytes left over";
    return failure();
  }
  return true;
}

bool RowsReader::read_before(Image& image) {
  if (kind_ != RowsKind::partial_update) return read_image(before_, image);
  for (Bytes& document : documents_) document = {};
  return read_image(before_, image);
}

bool RowsReader::read_after(Image& image) {
  return kind_ == RowsKind::partial_update ? read_partial(image) : read_image(after_, image);
}

bool RowsReader::read_image(const Columns& columns, Image& image) {
  const std::span<const ColumnDecoder> decoders = plan_.columns();
  const std::span<Value> values = scratch_.pages->array<Value>(decoders.size());
  const Bytes nulls = in_.bytes(bytes_of(columns.count));  // has a bit for each column that is in the image
  if (!in_.ok()) return fail_at(0, nullptr);
  std::size_t at = 0;
  for (std::size_t i = 0; i < decoders.size(); ++i) {
    if (!columns.all && !bit(columns.bits, i)) {
      values[i] = Value::absent();
    } else if (bit(nulls, at++)) {
      values[i] = Value::null();
    } else {
      if (!documents_.empty()) keep_document(i);
      if (!decoders[i].decode(in_, scratch_, values[i])) return fail_at(i, scratch_.why);
    }
  }
  image = {values, true};
  return true;
}

// The after-image of a partial update may say, for each JSON column of the table, that only differences follow.
bool RowsReader::read_partial(Image& image) {
  constexpr std::uint64_t kPartialJson = 1;
  if ((in_.packed() & kPartialJson) == 0) return in_.ok() ? read_image(after_, image) : fail_at(0, nullptr);
  const Bytes partial = in_.bytes(bytes_of(plan_.json_columns()));
  const Bytes nulls = in_.bytes(bytes_of(after_.count));
  if (!in_.ok()) return fail_at(0, nullptr);
  const std::span<const ColumnDecoder> decoders = plan_.columns();
  const std::span<Value> values = scratch_.pages->array<Value>(decoders.size());
  std::size_t at = 0, json = 0;
  for (std::size_t i = 0; i < decoders.size(); ++i) {
    const bool is_diff = decoders[i].type() == ColumnType::json && bit(partial, json++);
    if (!bit(after_.bits, i)) {
      values[i] = Value::absent();
    } else if (bit(nulls, at++)) {
      values[i] = Value::null();
    } else if (is_diff) {
      if (!read_diff(i, values[i])) return false;
    } else if (!decoders[i].decode(in_, scratch_, values[i])) {
      return fail_at(i, scratch_.why);
    }
  }
  image = {values, true};
  return true;
}

// The binary document that the differences of the after-image belong to.
void RowsReader::keep_document(std::size_t column) {
  if (plan_.columns()[column].type() != ColumnType::json) return;
  Reader ahead = in_;
  documents_[column] = ahead.bytes(ahead.u32());
}

bool RowsReader::read_diff(std::size_t column, Value& out) {
  const Bytes diff = in_.bytes(in_.u32());
  if (!in_.ok()) return fail_at(column, nullptr);
  const Bytes document = documents_[column];
  if (document.data() == nullptr)
    return fail_at(column, "differences of a JSON document that the before-image lacks (binlog_row_image=FULL helps)");
  Result<std::string_view> text = apply_json_diff(document, diff, *scratch_.pages);
  if (!text) return fail_at(column, text.failure().what.c_str());
  out = Value::of_text(Kind::json, *text);
  return true;
}

bool RowsReader::fail_at(std::size_t column, const char* why) {
  if (!in_.ok()) why = "the event ends early";
  why_ = "column ";
  if (column < plan_.columns().size()) {
    const ColumnDecoder& decoder = plan_.columns()[column];
    why_ += "\"" + decoder.name() + "\" (type " + std::to_string(static_cast<int>(decoder.type())) + " in the log)";
  } else {
    why_ += std::to_string(column);
  }
  why_ += why == nullptr ? ": not a value of its type" : std::string(": ") + why;
  return false;
}

DecodeFailure RowsReader::failure() const {
  return {"row of table " + std::string(plan_.table()) + ": " + why_, rows_offset_ + in_.offset()};
}

}  // namespace deltaforge::sources::mysql
