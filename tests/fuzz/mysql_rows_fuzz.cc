// One table map and one rows event of that table.
//
//   flavor u8 | type of the rows event u8 | size of the map u16, little-endian | map | rows
//
// Must hold: values of text are UTF-8, JSON is JSON, and memory follows the size of the input.
#include "fuzz.h"
#include "mysql_decoding.h"
#include "sources/mysql/column_name.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  using namespace deltaforge::sources::mysql;
  fuzz::Input in(data, size);
  const std::uint8_t flags = in.byte();
  const EventType type{in.byte()};
  const auto map_bytes = in.bytes(in.size16());
  const auto rows_bytes = in.rest();

  auto map = read_table_map(map_bytes, (flags & 1) != 0 ? Flavor::mariadb : Flavor::mysql);
  if (!map) return 0;
  for (const TableColumn& column : map->columns)
    fuzz::require(!column_type_name(column).empty(), "every type has a name");
  auto plan = RowPlan::make(*map, fuzz::MysqlDecoding::hints(flags, *map));
  if (!plan || !is_rows_event(type)) return 0;

  PageBudget budget(1 << 20);
  Pages pages(budget);
  auto header = read_rows_header(type, rows_bytes, pages);
  if (!header) return 0;
  Scratch scratch;
  scratch.pages = &pages;
  RowsReader reader(*header, *plan, scratch);
  for (std::size_t row = 0;; ++row) {
    Image before, after;
    auto more = reader.next(before, after);
    if (!more || !*more) return 0;
    fuzz::require(row <= header->rows.size() * 8, "a row takes bytes");
    for (const Image* image : {&before, &after}) {
      fuzz::require(!image->present || image->values.size() == plan->columns().size(), "an image has all columns");
      for (const Value& value : image->values) fuzz::check_value(value, {.utf8 = true, .json = true});
    }
  }
}
