#include "sources/mysql/table_map.h"

#include "base/pages.h"
#include "base/utf8.h"
#include "sources/mysql/charset.h"
#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {
namespace {

constexpr std::size_t kMostColumns = 65535;  // the servers stop at 4096 and 1017

// The optional metadata, by their number on the wire.
enum class Field : std::uint8_t {
  signedness = 1,
  default_charset = 2,
  column_charset = 3,
  column_name = 4,
  set_labels = 5,
  enum_labels = 6,
  simple_primary_key = 8,
  primary_key_with_prefix = 9,
  label_default_charset = 10,
  label_column_charset = 11,
  vector_dimension = 13,
};

bool is_label(const TableColumn& column) { return column.type == ColumnType::enum_ || column.type == ColumnType::set; }

bool is_numeric(const TableColumn& column) {
  switch (column.type) {
    case ColumnType::tiny_int:
    case ColumnType::small_int:
    case ColumnType::medium_int:
    case ColumnType::int_:
    case ColumnType::big_int:
    case ColumnType::year:
    case ColumnType::float_:
    case ColumnType::double_:
    case ColumnType::decimal: return true;
    default: return false;
  }
}

// What the servers count when they list charsets: to MariaDB a geometry is a kind of blob, to MySQL a vector is.
bool is_character(const TableColumn& column, Flavor flavor) {
  switch (column.type) {
    case ColumnType::string:
    case ColumnType::var_string:
    case ColumnType::varchar:
    case ColumnType::varchar_compressed:
    case ColumnType::blob:
    case ColumnType::blob_compressed:
    case ColumnType::tiny_blob:
    case ColumnType::medium_blob:
    case ColumnType::long_blob: return true;
    case ColumnType::geometry: return flavor == Flavor::mariadb;
    case ColumnType::vector: return flavor == Flavor::mysql;
    default: return false;
  }
}

// Names are followed by a NUL that their length does not count.
std::string_view read_name(Reader& in) {
  std::string_view name = in.packed_text();
  in.skip(1);
  return name;
}

TableName read_head(Reader& in) {
  TableName head;
  head.id = in.u48();
  in.skip(2);  // flags
  head.database = read_name(in);
  head.table = read_name(in);
  return head;
}

class TableMapReader {
 public:
  TableMapReader(Bytes body, Flavor flavor) : in_(body), flavor_(flavor) {}

  Result<TableMap> read() {
    TableName head = read_head(in_);
    map_.id = head.id;
    map_.database = head.database;
    map_.table = head.table;
    if (!is_utf8(map_.database) || !is_utf8(map_.table))
      return DecodeFailure{"table map with a name that is not UTF-8", 0};
    types();
    Reader meta(in_.bytes(static_cast<std::size_t>(in_.packed())));
    for (TableColumn& column : map_.columns) read_meta(column, meta);
    if (in_.ok() && (!meta.ok() || meta.left() != 0)) fail("column metadata of another length than the columns need");
    Bytes nullable = bitmap(map_.columns.size());
    for (std::size_t i = 0; i < map_.columns.size() && in_.ok(); ++i) {
      map_.columns[i].nullable = (static_cast<unsigned>(nullable[i / 8]) >> (i % 8) & 1) != 0;
    }
    while (in_.ok() && in_.left() != 0) optional();
    if (in_.ok()) labels_to_utf8();
    if (!why_.empty()) return DecodeFailure{"table map of " + where() + ": " + why_, in_.offset()};
    if (!in_.ok()) return DecodeFailure{"table map of " + where() + " ends early", in_.offset()};
    return std::move(map_);
  }

 private:
  std::string where() const { return map_.database + "." + map_.table; }

  void fail(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    in_.fail();
  }

  Bytes bitmap(std::size_t bits) { return in_.bytes((bits + 7) / 8); }

  void types() {
    std::uint64_t count = in_.packed();
    if (count > kMostColumns) return fail("more columns than a table can have");
    Bytes types = in_.bytes(static_cast<std::size_t>(count));
    map_.columns.resize(types.size());
    for (std::size_t i = 0; i < types.size(); ++i) map_.columns[i].type = static_cast<ColumnType>(types[i]);
  }

  void read_meta(TableColumn& column, Reader& meta) {
    switch (column.type) {
      case ColumnType::float_:
      case ColumnType::double_:
      case ColumnType::blob:
      case ColumnType::blob_compressed:
      case ColumnType::tiny_blob:
      case ColumnType::medium_blob:
      case ColumnType::long_blob:
      case ColumnType::geometry:
      case ColumnType::json:
      case ColumnType::vector:
      case ColumnType::timestamp:
      case ColumnType::datetime:
      case ColumnType::time: column.meta = meta.u8(); break;
      case ColumnType::varchar:
      case ColumnType::varchar_compressed: column.length = column.meta = meta.u16(); break;
      case ColumnType::bit: {
        std::uint32_t bits = meta.u8();
        column.length = meta.u8() * 8U + bits;
        break;
      }
      case ColumnType::decimal: column.meta = two_bytes(meta); break;
      case ColumnType::string:
      case ColumnType::var_string:
      case ColumnType::enum_:
      case ColumnType::set: unfold_string(column, meta); break;
      default: break;
    }
  }

  static std::uint16_t two_bytes(Reader& meta) {
    unsigned high = meta.u8();
    return static_cast<std::uint16_t>(high << 8 | meta.u8());
  }

  // The real type, and the length, whose bits 8 and 9 are hidden, inverted, in the byte of the type.
  static void unfold_string(TableColumn& column, Reader& meta) {
    column.meta = two_bytes(meta);
    unsigned type = column.meta >> 8;
    column.length = column.meta & 0xFF;
    if (type == 0) return;  // of a server before 5.0
    column.length |= ((type & 0x30) ^ 0x30) << 4;
    column.type = static_cast<ColumnType>(type | 0x30);
  }

  void optional() {
    auto field = static_cast<Field>(in_.u8());
    Bytes value = in_.bytes(static_cast<std::size_t>(in_.packed()));
    if (!in_.ok()) return;
    Reader list(value);
    auto has_text = [this](const TableColumn& column) { return is_character(column, flavor_); };
    switch (field) {
      case Field::signedness: return signedness(value);
      case Field::default_charset: default_charset(list, has_text); break;
      case Field::label_default_charset: default_charset(list, is_label); break;
      case Field::column_charset: each(list, has_text, [](TableColumn& c, std::uint32_t v) { c.collation = v; }); break;
      case Field::label_column_charset:
        each(list, is_label, [](TableColumn& c, std::uint32_t v) { c.collation = v; });
        break;
      case Field::vector_dimension:
        each(list, is_vector, [](TableColumn& c, std::uint32_t v) { c.dimension = v; });
        break;
      case Field::column_name: names(list); break;
      case Field::set_labels: labels(list, ColumnType::set); break;
      case Field::enum_labels: labels(list, ColumnType::enum_); break;
      case Field::simple_primary_key: primary_key(list, false); break;
      case Field::primary_key_with_prefix: primary_key(list, true); break;
      default: return;  // geometry_type, visibility, and those of a newer server
    }
    if (!list.ok() || list.left() != 0) fail("metadata " + std::to_string(static_cast<int>(field)) + " do not fit");
  }

  static bool is_vector(const TableColumn& column) { return column.type == ColumnType::vector; }

  static bool bit(Bytes bits, std::size_t index) {
    return index / 8 < bits.size() && (static_cast<unsigned>(bits[index / 8]) >> (7 - index % 8) & 1) != 0;
  }

  // One bit per numeric column, and only these, the highest bit first.
  void signedness(Bytes bits) {
    map_.has_signedness = true;
    std::size_t index = 0;
    for (TableColumn& column : map_.columns)
      if (is_numeric(column)) column.is_unsigned = bit(bits, index++);
    if (bits.size() != (index + 7) / 8) fail("signedness of another number of columns");
  }

  // The one charset, then the columns (counted among those that are asked for) that have another.
  template <class Is>
  void default_charset(Reader& list, Is is) {
    auto collation = static_cast<std::uint32_t>(list.packed());
    std::vector<TableColumn*> columns;
    for (TableColumn& column : map_.columns) {
      if (!is(column)) continue;
      column.collation = collation;
      columns.push_back(&column);
    }
    while (list.ok() && list.left() != 0) {
      std::uint64_t index = list.packed();
      auto other = static_cast<std::uint32_t>(list.packed());
      if (index >= columns.size()) return fail("a charset of a column that is not there");
      columns[index]->collation = other;
    }
  }

  template <class Is, class Set>
  void each(Reader& list, Is is, Set set) {
    for (TableColumn& column : map_.columns)
      if (is(column)) set(column, static_cast<std::uint32_t>(list.packed()));
  }

  void names(Reader& list) {
    map_.has_names = true;
    for (TableColumn& column : map_.columns) {
      column.name = list.packed_text();
      if (!is_utf8(column.name)) return fail("a column's name that is not UTF-8");
    }
  }

  void labels(Reader& list, ColumnType type) {
    for (TableColumn& column : map_.columns) {
      if (column.type != type) continue;
      std::uint64_t count = list.packed();
      column.labels.clear();
      for (std::uint64_t i = 0; i < count && list.ok(); ++i) column.labels.emplace_back(list.packed_text());
    }
  }

  void primary_key(Reader& list, bool with_prefix) {
    map_.primary_key.clear();
    while (list.ok() && list.left() != 0) {
      KeyPart part;
      part.column = static_cast<std::uint32_t>(list.packed());
      if (with_prefix) part.prefix = static_cast<std::uint32_t>(list.packed());
      if (part.column >= map_.columns.size()) return fail("a key column that is not there");
      map_.primary_key.push_back(part);
    }
  }

  // Labels travel in the charset of their column, which may come after them.
  void labels_to_utf8() {
    PageBudget budget(0);
    Pages pages(budget);
    TextConverter converter;
    for (TableColumn& column : map_.columns) {
      if (column.labels.empty()) continue;
      const Charset* charset = charset_of(column.collation);
      if (charset == nullptr) return fail("labels in unknown collation " + std::to_string(column.collation));
      for (std::string& label : column.labels) {
        std::string_view text;
        if (!converter.to_utf8(*charset, label, pages, text))
          return fail("labels of column \"" + column.name + "\" that are not " + std::string(charset->name));
        if (text.data() != label.data()) label = text;
      }
    }
  }

  Reader in_;
  Flavor flavor_;
  TableMap map_;
  std::string why_;
};

}  // namespace

Result<TableName> read_table_name(Bytes body) {
  Reader in(body);
  TableName head = read_head(in);
  if (!in.ok()) return DecodeFailure{"table map ends early", in.offset()};
  return head;
}

Result<TableMap> read_table_map(Bytes body, Flavor flavor) { return TableMapReader(body, flavor).read(); }

}  // namespace deltaforge::sources::mysql
