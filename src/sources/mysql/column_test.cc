// Column values of the log -> Values, type by type. The values were compared with SELECT on MySQL 9.7 and
// MariaDB 10.11.
#include "sources/mysql/column.h"

#include <gtest/gtest.h>

#include "sources/mysql/values_for_test.h"

namespace deltaforge::sources::mysql {
namespace {

using testing::from_hex;
using testing::show;

constexpr std::uint32_t kLatin1 = 8, kUtf8mb4 = 45, kBinary = 63;

std::string decode(const TableColumn& column, std::string_view hex, ColumnHint hint = {}) {
  PageBudget budget(1 << 20);
  Pages pages(budget);
  Scratch scratch;
  scratch.pages = &pages;
  auto decoder = ColumnDecoder::make(column, hint);
  if (!decoder) return decoder.failure().what;
  auto bytes = from_hex(hex);
  Reader in(bytes);
  Value value;
  if (!decoder->decode(in, scratch, value)) return scratch.why != nullptr ? scratch.why : "refused";
  return in.left() == 0 ? show(value) : "bytes left over";
}

TableColumn column(ColumnType type, std::uint32_t length = 0, std::uint32_t collation = 0) {
  TableColumn made;
  made.name = "c";
  made.type = type;
  made.length = length;
  made.collation = collation;
  return made;
}

TableColumn with_meta(ColumnType type, std::uint16_t meta, std::uint32_t collation = 0) {
  TableColumn made = column(type, 0, collation);
  made.meta = meta;
  return made;
}

TableColumn natural(ColumnType type) {
  TableColumn made = column(type);
  made.is_unsigned = true;
  return made;
}

TableColumn labels(ColumnType type, std::uint32_t length, std::vector<std::string> labels) {
  TableColumn made = column(type, length, kUtf8mb4);
  made.labels = std::move(labels);
  return made;
}

TEST(Integers, AreExactWithTheirSign) {
  EXPECT_EQ(decode(column(ColumnType::tiny_int), "80"), "-128");
  EXPECT_EQ(decode(natural(ColumnType::tiny_int), "ff"), "255u");
  EXPECT_EQ(decode(column(ColumnType::small_int), "ff7f"), "32767");
  EXPECT_EQ(decode(natural(ColumnType::small_int), "ffff"), "65535u");
  EXPECT_EQ(decode(column(ColumnType::medium_int), "000080"), "-8388608");
  EXPECT_EQ(decode(natural(ColumnType::medium_int), "ffffff"), "16777215u");
  EXPECT_EQ(decode(column(ColumnType::int_), "ffffffff"), "-1");
  EXPECT_EQ(decode(natural(ColumnType::int_), "ffffffff"), "4294967295u");
  EXPECT_EQ(decode(column(ColumnType::big_int), "0000000000000080"), "-9223372036854775808");
  EXPECT_EQ(decode(natural(ColumnType::big_int), "ffffffffffffffff"), "18446744073709551615u");
  EXPECT_EQ(decode(column(ColumnType::big_int), "01000000002000"), "refused");
}

TEST(Reals, KeepTheirBits) {
  EXPECT_EQ(decode(with_meta(ColumnType::float_, 4), "0000804b"), "16777216f");
  EXPECT_EQ(decode(with_meta(ColumnType::float_, 4), "cdcccc3d"), "0.1f");
  EXPECT_EQ(decode(with_meta(ColumnType::double_, 8), "0100000000000000"), "5e-324");
  EXPECT_EQ(decode(with_meta(ColumnType::double_, 8), "000000000000f07f"), "'Infinity'");
  EXPECT_EQ(decode(with_meta(ColumnType::float_, 4), "0000c0ff"), "'NaN'");
}

TEST(Bits, OneIsABooleanManyAreANumber) {
  EXPECT_EQ(decode(column(ColumnType::bit, 1), "01"), "true");
  EXPECT_EQ(decode(column(ColumnType::bit, 1), "00"), "false");
  EXPECT_EQ(decode(column(ColumnType::bit, 12), "0a01"), "2561u");
  EXPECT_EQ(decode(column(ColumnType::bit, 64), "ffffffffffffffff"), "18446744073709551615u");
  EXPECT_EQ(decode(column(ColumnType::bit, 12), "1001"), "refused");
  EXPECT_EQ(decode(column(ColumnType::bit, 65), ""), "column \"c\": no BIT has 65 bits");
}

TEST(Years, ZeroIsZero) {
  EXPECT_EQ(decode(column(ColumnType::year), "00"), "0");
  EXPECT_EQ(decode(column(ColumnType::year), "01"), "1901");
  EXPECT_EQ(decode(column(ColumnType::year), "ff"), "2155");
}

TEST(Temporal, DigitsComeFromTheMetadata) {
  EXPECT_EQ(decode(with_meta(ColumnType::datetime, 3), "99b2443105 1a7c"), "datetime 2024-01-02T03:04:05.678");
  EXPECT_EQ(decode(with_meta(ColumnType::timestamp, 0), "65937d25"), "timestamp 2024-01-02T03:04:05Z");
  EXPECT_EQ(decode(with_meta(ColumnType::time, 7), ""), "column \"c\": a fraction of 7 digits");
  EXPECT_EQ(decode(column(ColumnType::old_time), "01cce05f", {ColumnHint::As::column_type, 1}), "time -00:00:00.1");
  EXPECT_EQ(decode(with_meta(ColumnType::decimal, 10 << 8 | 2), "7fffff84d2"), "decimal -123.45");
  EXPECT_EQ(decode(with_meta(ColumnType::decimal, 66 << 8), ""),
            "column \"c\": no decimal has 66 digits, 0 of them a fraction");
}

TEST(Texts, ByCharacterSetAndPointingIntoTheEvent) {
  EXPECT_EQ(decode(column(ColumnType::varchar, 80, kUtf8mb4), "03e697a5"), "'日'");
  EXPECT_EQ(decode(column(ColumnType::varchar, 256, kUtf8mb4), "0300 e697a5"), "'日'");
  EXPECT_EQ(decode(column(ColumnType::varchar, 20, kLatin1), "02e980"), "'é€'");
  EXPECT_EQ(decode(column(ColumnType::string, 800, kUtf8mb4), "0100 41"), "'A'");
  EXPECT_EQ(decode(with_meta(ColumnType::blob, 3, kLatin1), "010000 e9"), "'é'");
  EXPECT_EQ(decode(column(ColumnType::varchar, 20, kUtf8mb4), "00"), "''");
  EXPECT_EQ(decode(column(ColumnType::varchar, 20, kUtf8mb4), "01ff"), "bytes that are not text of its character set");
  EXPECT_EQ(decode(column(ColumnType::varchar, 20, kUtf8mb4), "0541"), "refused");
  EXPECT_EQ(decode(column(ColumnType::varchar, 20), ""), "column \"c\": the log does not name its character set");
  EXPECT_EQ(decode(column(ColumnType::varchar, 20, 1024), ""), "column \"c\": unknown collation 1024");
}

TEST(Bytes, BinaryIsPaddedTheOthersAreNot) {
  EXPECT_EQ(decode(column(ColumnType::string, 8, kBinary), "03 410042"), "x4100420000000000");
  EXPECT_EQ(decode(column(ColumnType::string, 8, kBinary), "00"), "x0000000000000000");
  EXPECT_EQ(decode(column(ColumnType::string, 2, kBinary), "02 0102"), "x0102");
  EXPECT_EQ(decode(column(ColumnType::string, 2, kBinary), "03 010203"), "refused");
  EXPECT_EQ(decode(column(ColumnType::varchar, 8, kBinary), "03 410000"), "x410000");
  EXPECT_EQ(decode(with_meta(ColumnType::blob, 4, kBinary), "01000000 ff"), "xff");
  EXPECT_EQ(decode(with_meta(ColumnType::geometry, 4), "02000000 0102"), "x0102");
}

TEST(Labels, IndexZeroIsNoLabel) {
  const auto e = labels(ColumnType::enum_, 1, {"a", "b,c", "日本"});
  EXPECT_EQ(decode(e, "00"), "''");
  EXPECT_EQ(decode(e, "02"), "'b,c'");
  EXPECT_EQ(decode(e, "04"), "an index that has no label");
  EXPECT_EQ(decode(labels(ColumnType::enum_, 2, std::vector<std::string>(300, "x")), "2c01"), "'x'");
  EXPECT_EQ(decode(labels(ColumnType::enum_, 1, {}), "01"), "an index that has no label");
  const auto s = labels(ColumnType::set, 1, {"x", "", "zé"});
  EXPECT_EQ(decode(s, "00"), "''");
  EXPECT_EQ(decode(s, "05"), "'x,zé'");
  EXPECT_EQ(decode(s, "07"), "'x,,zé'");
  EXPECT_EQ(decode(s, "08"), "a bit that has no label");
  std::vector<std::string> many;
  for (int i = 1; i <= 64; ++i) many.push_back(fmt::format("m{}", i));
  EXPECT_EQ(decode(labels(ColumnType::set, 8, many), "0100000000000080"), "'m1,m64'");
  EXPECT_EQ(decode(labels(ColumnType::set, 9, many), ""), "column \"c\": an index of 9 bytes");
}

TEST(Vectors, AreArraysOfFloats) {
  EXPECT_EQ(decode(with_meta(ColumnType::vector, 4), "0c000000 0000c03f 000000c0 7684df50"), "[1.5f -2f 30000000000f]");
  EXPECT_EQ(decode(with_meta(ColumnType::vector, 4), "03000000 000000"), "refused");
}

TEST(Mariadb, UuidAndAddresses) {
  const ColumnHint uuid{ColumnHint::As::uuid}, inet4{ColumnHint::As::inet4}, inet6{ColumnHint::As::inet6};
  const auto sixteen = column(ColumnType::string, 16, kBinary), four = column(ColumnType::string, 4, kBinary);
  EXPECT_EQ(decode(sixteen, "0f 0123456789abcdef8123456789abcd", uuid), "'01234567-89ab-cdef-8123-456789abcd00'");
  EXPECT_EQ(decode(sixteen, "10 6ccd780cbaba102695645b8c656024db", uuid), "'6ccd780c-baba-1026-9564-5b8c656024db'");
  EXPECT_EQ(decode(sixteen, "00", uuid), "'00000000-0000-0000-0000-000000000000'");
  EXPECT_EQ(decode(four, "02 0a14", inet4), "'10.20.0.0'");
  EXPECT_EQ(decode(four, "04 ffffffff", inet4), "'255.255.255.255'");
  EXPECT_EQ(decode(sixteen, "00", inet6), "'::'");
  EXPECT_EQ(decode(sixteen, "10 fe800000000000000000000000000001", inet6), "'fe80::1'");
  EXPECT_EQ(decode(sixteen, "10 00000000000000000000ffff01020304", inet6), "'::ffff:1.2.3.4'");
  EXPECT_EQ(decode(sixteen, "10 20010db8000000010001000100010001", inet6), "'2001:db8::1:1:1:1:1'");
  EXPECT_EQ(decode(sixteen, "0c 00010000000200000003", inet6), "refused");
  EXPECT_EQ(decode(sixteen, "0a 00010000000200000003", inet6), "'1:0:2:0:3::'");
  EXPECT_EQ(decode(column(ColumnType::string, 8, kBinary), "", uuid),
            "column \"c\": a length that its type does not have");
}

// create table c(id int, v varchar(200) compressed, t text compressed, b varbinary(200) compressed) charset utf8mb4;
// insert into c values(1,repeat('abc',60),repeat('xyz',200),repeat(x'00ff',90)),(2,'s','short',x'00'),(3,'','','')
TEST(Mariadb, CompressedColumns) {
  std::string abc, xyz;
  for (int i = 0; i < 60; ++i) abc += "abc";
  for (int i = 0; i < 200; ++i) xyz += "xyz";
  const auto v = column(ColumnType::varchar_compressed, 801, kUtf8mb4);
  const auto b = column(ColumnType::varchar_compressed, 201, kBinary);
  EXPECT_EQ(decode(v, "0a00 89b44b4c4a4e1c6a0800"), "'" + abc + "'");
  EXPECT_EQ(decode(with_meta(ColumnType::blob_compressed, 2, kUtf8mb4), "0e00 8a0258aba8acaa1845a388da0800"),
            "'" + xyz + "'");
  EXPECT_EQ(decode(v, "0200 0073"), "'s'");
  EXPECT_EQ(decode(v, "0000"), "''");
  EXPECT_EQ(decode(b, "02 0000"), "x00");
  EXPECT_EQ(decode(v, "0a00 89b54b4c4a4e1c6a0800"), "compressed bytes that are damaged");
  EXPECT_EQ(decode(v, "0a00 99b44b4c4a4e1c6a0800"), "compressed bytes that are damaged");
  EXPECT_EQ(decode(v, "0600 8cffffffff01"), "compressed bytes that are damaged");
}

TEST(Types, ThatAreNotKnownAreRefused) {
  EXPECT_EQ(decode(column(ColumnType{20}), ""), "column \"c\": type 20 is not known");
  EXPECT_EQ(decode(column(ColumnType::null), ""), "column \"c\": type 6 is not known");
  EXPECT_EQ(decode(with_meta(ColumnType::blob, 5, kBinary), ""), "column \"c\": a length of 5 bytes");
}

}  // namespace
}  // namespace deltaforge::sources::mysql
