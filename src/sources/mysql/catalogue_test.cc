// Types as MariaDB 10.11 writes them, against columns as its log has them.
#include "sources/mysql/catalogue.h"

#include <gtest/gtest.h>

namespace deltaforge::sources::mysql {
namespace {

using As = ColumnHint::As;

TableColumn column(ColumnType type, std::uint32_t length = 0, std::uint32_t collation = 0) {
  TableColumn made;
  made.type = type;
  made.length = length;
  made.collation = collation;
  return made;
}

TableColumn binary(std::uint32_t length) { return column(ColumnType::string, length, kBinaryCollation); }

TEST(MariadbHints, OnlyForWhatTheLogDoesNotSay) {
  EXPECT_TRUE(needs_hint(binary(4)) && needs_hint(binary(16)) && needs_hint(column(ColumnType::old_time)));
  EXPECT_FALSE(needs_hint(column(ColumnType::string, 16, 45)));
  EXPECT_FALSE(needs_hint(binary(8)));
  EXPECT_FALSE(needs_hint(column(ColumnType::varchar, 16, kBinaryCollation)));
  EXPECT_FALSE(needs_hint(column(ColumnType::time)));
}

TEST(MariadbHints, ATypeThatTheColumnCannotHaveHadSaysNothing) {
  auto as = [](std::string_view type, const TableColumn& of) {
    auto hint = hint_of(type, of);
    return hint ? std::optional(hint->as) : std::nullopt;
  };
  EXPECT_EQ(as("uuid", binary(16)), As::uuid);
  EXPECT_EQ(as("inet6", binary(16)), As::inet6);
  EXPECT_EQ(as("inet4", binary(4)), As::inet4);
  EXPECT_EQ(as("binary(16)", binary(16)), As::column_type);
  for (const char* type : {"uuid", "inet6", "binary(16)", "time", "int(11)", "", "("})
    EXPECT_FALSE(hint_of(type, binary(4)));
  for (const char* type : {"inet4", "binary(4)", "char(16)"}) EXPECT_FALSE(hint_of(type, binary(16)));
  EXPECT_FALSE(hint_of("datetime", column(ColumnType::old_time)));
}

TEST(MariadbHints, DigitsOfOldTemporals) {
  auto digits = [](std::string_view type, ColumnType of) {
    auto hint = hint_of(type, column(of));
    return hint ? hint->digits : -1;
  };
  EXPECT_EQ(digits("time", ColumnType::old_time), 0);
  EXPECT_EQ(digits("time(3)", ColumnType::old_time), 3);
  EXPECT_EQ(digits("datetime(6) /* mariadb-5.3 */", ColumnType::old_datetime), 6);
  EXPECT_EQ(digits("timestamp /* mariadb-5.3 */", ColumnType::old_timestamp), 0);
}

}  // namespace
}  // namespace deltaforge::sources::mysql
