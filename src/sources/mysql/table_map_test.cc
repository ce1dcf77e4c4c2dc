// TABLE_MAP events recorded from MySQL 9.7 and MariaDB 10.11, both with binlog_row_metadata=FULL.
#include "sources/mysql/table_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sources/mysql/values_for_test.h"

namespace deltaforge::sources::mysql {
namespace {

using ::testing::ElementsAre;
using testing::from_hex;

TableMap read(std::string_view hex, Flavor flavor = Flavor::mysql) {
  auto bytes = from_hex(hex);
  auto map = read_table_map(bytes, flavor);
  EXPECT_TRUE(map) << (map ? "" : map.failure().what);
  return map ? *map : TableMap{};
}

std::string failure(std::string_view hex) {
  auto bytes = from_hex(hex);
  auto map = read_table_map(bytes, Flavor::mysql);
  return map ? "none" : map.failure().what;
}

// create table sg(a int unsigned, y year, b int, d decimal(5,2) unsigned, f float, f2 double unsigned, x varchar(3),
//   bt bit(3), c tinyint unsigned)
constexpr std::string_view kSigns =
    "6e0000000000 0100 017200 02736700 09 030d03f604050f1001 08 0502 04 08 0c00 0300 ff01"
    "0101d6 0203fcff00 0414 0161 0179 0162 0164 0166 026632 0178 026274 0163 0c02ff80";

TEST(TableMap, SignednessCountsNumericColumnsOnly) {
  TableMap map = read(kSigns);
  EXPECT_EQ(map.id, 0x6eU);
  EXPECT_EQ(map.database, "r");
  EXPECT_EQ(map.table, "sg");
  EXPECT_TRUE(map.has_names && map.has_signedness);
  std::vector<std::string> names;
  std::vector<bool> is_unsigned;
  for (const TableColumn& column : map.columns) {
    names.push_back(column.name);
    is_unsigned.push_back(column.is_unsigned);
    EXPECT_TRUE(column.nullable);
  }
  EXPECT_THAT(names, ElementsAre("a", "y", "b", "d", "f", "f2", "x", "bt", "c"));
  EXPECT_THAT(is_unsigned, ElementsAre(true, true, false, true, false, true, false, false, true));
  EXPECT_EQ(map.columns[3].meta, 5 << 8 | 2);
  EXPECT_EQ(map.columns[6].length, 12U);
  EXPECT_EQ(map.columns[6].collation, 255U);
  EXPECT_EQ(map.columns[7].length, 3U);
  EXPECT_TRUE(map.primary_key.empty());
}

// create table m(t1 text character set latin1, g point, t2 varchar(9), e enum('é','b') character set latin1,
//   s set('x','zé'), e2 enum('日'), v vector(3), v2 vector, bn binary(8), b char(200), h int invisible, k varchar(30),
//   primary key(k(4), bn), ls linestring)
constexpr std::string_view kAll =
    "7000000000000100017200016d000dfcff0ffefefef2f2fefe030fff1302042400f701f801f7010404fe08ce20780004ff16010100030d08"
    "fcff003f3f3ffcff00fcff00070201020d0403fc00080420027431016702743201650173026532017602763202626e01620168016b026c73"
    "0a05fcff0000080507020178037ac3a9060a0201e901620103e697a509040b0408000c02ffd8";

TEST(TableMap, EveryKindOfMetadata) {
  TableMap map = read(kAll);
  ASSERT_EQ(map.columns.size(), 13U);
  auto column = [&](std::size_t i) -> const TableColumn& { return map.columns[i]; };
  std::vector<std::uint32_t> collations;
  for (const TableColumn& each : map.columns) collations.push_back(each.collation);
  // MySQL lists no charset of a geometry, and one of a vector.
  EXPECT_THAT(collations, ElementsAre(8, 0, 255, 8, 255, 255, 63, 63, 63, 255, 0, 255, 0));
  EXPECT_EQ(column(3).type, ColumnType::enum_);
  EXPECT_THAT(column(3).labels, ElementsAre("é", "b"));
  EXPECT_EQ(column(4).type, ColumnType::set);
  EXPECT_THAT(column(4).labels, ElementsAre("x", "zé"));
  EXPECT_THAT(column(5).labels, ElementsAre("日"));
  EXPECT_EQ(column(6).dimension, 3U);
  EXPECT_EQ(column(7).dimension, 2048U);
  EXPECT_EQ(column(8).length, 8U);
  EXPECT_EQ(column(9).length, 800U);  // 0xCE20: bits of the length hidden in the type
  EXPECT_EQ(column(9).type, ColumnType::string);
  EXPECT_FALSE(column(8).nullable);
  ASSERT_EQ(map.primary_key.size(), 2U);
  EXPECT_EQ(map.primary_key[0].column, 11U);
  EXPECT_EQ(map.primary_key[0].prefix, 4U);
  EXPECT_EQ(map.primary_key[1].column, 8U);
  EXPECT_EQ(map.primary_key[1].prefix, 0U);
}

// create table u(id int, u uuid, i4 inet4, i6 inet6, s char(3) character set latin1, g geometry, t text) charset
// utf8mb4
TEST(TableMap, MariadbCountsAGeometryAmongTheTexts) {
  TableMap map = read(
      "170000000000 0100 017000 017500 07 03fefefefefffc 0a fe10fe04fe10fe030402 7f 010100 02053f0308052d 070100"
      "0411 026964 0175 026934 026936 0173 0167 0174",
      Flavor::mariadb);
  std::vector<std::uint32_t> collations;
  for (const TableColumn& column : map.columns) collations.push_back(column.collation);
  EXPECT_THAT(collations, ElementsAre(0, 63, 63, 63, 8, 63, 45));
  EXPECT_EQ(map.columns[1].length, 16U);
}

TEST(TableMap, SimplePrimaryKeyAndUnknownMetadata) {
  TableMap map =
      read("750000000000 0100 017200 026d7600 02 03f5 01 04 02 010100 0405 026964 016a 080100 7703aabbcc 0c01c0");
  ASSERT_EQ(map.primary_key.size(), 1U);
  EXPECT_EQ(map.primary_key[0].column, 0U);
  EXPECT_TRUE(map.columns[1].nullable && !map.columns[0].nullable);
}

TEST(TableMap, WithoutOptionalMetadataHasNoNames) {
  TableMap map = read("750000000000 0100 017200 026d7600 02 03f5 01 04 02");
  EXPECT_FALSE(map.has_names || map.has_signedness);
  EXPECT_EQ(map.columns.size(), 2U);
}

TEST(TableMap, NamesAlone) {
  auto bytes = from_hex("750000000000 0100 017200 026d7600 ffff");
  auto name = read_table_name(bytes);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->id, 0x75U);
  EXPECT_EQ(name->database, "r");
  EXPECT_EQ(name->table, "mv");
  EXPECT_FALSE(read_table_name(Bytes(bytes).first(12)));
  EXPECT_EQ(failure("750000000000 0100 017200 02ff7600 ffff"), "table map with a name that is not UTF-8");
}

TEST(TableMap, ThreeHundredColumns) {
  std::string hex = "750000000000 0100 017200 026d7600 fc2c01";
  for (int i = 0; i < 300; ++i) hex += "03";
  hex += "00";
  for (int i = 0; i < 38; ++i) hex += i == 37 ? "08" : "00";
  TableMap map = read(hex);
  ASSERT_EQ(map.columns.size(), 300U);
  EXPECT_TRUE(map.columns[299].nullable && !map.columns[298].nullable);
}

TEST(TableMap, RefusesWhatDoesNotFit) {
  EXPECT_EQ(failure("750000000000 0100 017200 026d7600 02 03f5 02 0404 02"),
            "table map of r.mv: column metadata of another length than the columns need");
  EXPECT_EQ(failure("750000000000 0100 017200 026d7600 fe0000000001000000 03"),
            "table map of r.mv: more columns than a table can have");
  EXPECT_EQ(failure("750000000000 0100 017200 026d7600 02 03f5 01 04 02 01020000"),
            "table map of r.mv: signedness of another number of columns");
  EXPECT_EQ(failure("750000000000 0100 017200 026d7600 02 03f5 01 04 02 080102"),
            "table map of r.mv: a key column that is not there");
  EXPECT_EQ(failure("750000000000 0100 017200 026d7600 02 03f5 01 04 02 0402 0161"),
            "table map of r.mv: metadata 4 do not fit");
}

// Nothing that is cut short or damaged reads out of bounds.
TEST(TableMap, SurvivesEveryCutAndFlip) {
  const auto whole = from_hex(kAll);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    (void)read_table_map(cut, Flavor::mysql);
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (unsigned bit : {1U, 0x80U, 0xFFU}) {
      auto flipped = whole;
      flipped[at] ^= static_cast<std::byte>(bit);
      (void)read_table_map(flipped, Flavor::mysql);
    }
  }
}

}  // namespace
}  // namespace deltaforge::sources::mysql
