// The text of a QUERY event, as far as the engine reads it.
//
//   mode u8 (1: double quotes are names, 2: a backslash is itself, 4: what follows is a whole event) | text
#include "fuzz.h"
#include "sources/mysql/statement.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  using namespace deltaforge::sources::mysql;
  fuzz::Input in(data, size);
  const std::uint8_t mode = in.byte();
  const auto bytes = in.rest();
  std::uint64_t sql_mode = ((mode & 1) != 0 ? 4 : 0) | ((mode & 2) != 0 ? 1'048'576 : 0);
  std::string_view sql = as_text(bytes);
  if ((mode & 4) != 0) {
    auto query = read_query(bytes);
    if (!query) return 0;
    sql = query->sql;
    sql_mode = query->sql_mode;
  }
  const Statement statement = classify(sql, sql_mode);
  fuzz::require((statement.kind == Statement::Kind::truncate) == (statement.tables.size() == 1) ||
                    statement.kind == Statement::Kind::row_change,
                "TRUNCATE names one table, and only a change of rows names others");
  std::size_t names = 0;
  for (const auto& [database, table] : statement.tables) names += database.size() + table.size();
  fuzz::require(names <= 2 * sql.size(), "names are parts of the text");
  return 0;
}
