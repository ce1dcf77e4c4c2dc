// Rows events recorded from MySQL 9.7 and MariaDB 10.11 -> images. Each names the SQL that made it.
#include "sources/mysql/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sources/mysql/values_for_test.h"

namespace deltaforge::sources::mysql {
namespace {

using ::testing::ElementsAre;
using testing::from_hex;
using ::testing::HasSubstr;
using testing::show;

struct Decoding {
  explicit Decoding(std::string_view map_hex, Flavor flavor = Flavor::mysql, std::vector<ColumnHint> hints = {}) {
    auto bytes = from_hex(map_hex);
    map = *read_table_map(bytes, flavor);
    plan = *RowPlan::make(map, hints);
  }

  // "before -> after" per row; a failure is the last one.
  std::vector<std::string> operator()(EventType type, std::vector<std::byte> body) {
    std::vector<std::string> rows;
    auto header = read_rows_header(type, body, pages);
    if (!header) return {header.failure().what};
    table_id = header->table_id;
    RowsReader reader(*header, plan, scratch);
    for (;;) {
      Image before, after;
      auto more = reader.next(before, after);
      if (!more) rows.push_back(more.failure().what);
      if (!more || !*more) return rows;
      rows.push_back(show(before) + " -> " + show(after));
    }
  }
  std::vector<std::string> operator()(EventType type, std::string_view hex) { return (*this)(type, from_hex(hex)); }

  PageBudget budget{1 << 26};
  Pages pages{budget};
  Scratch scratch{.pages = &pages, .converter = {}, .day = {}, .why = nullptr};
  TableMap map;
  RowPlan plan;
  std::uint64_t table_id = 0;
};

// create table sg(a int unsigned, y year, b int, d decimal(5,2) unsigned, f float, f2 double unsigned, x varchar(3),
//   bt bit(3), c tinyint unsigned)
constexpr std::string_view kSigns =
    "6e0000000000 0100 017200 02736700 09 030d03f604050f1001 08 0502 04 08 0c00 0300 ff01"
    "0101d6 0203fcff00 0414 0161 0179 0162 0164 0166 026632 0178 026274 0163 0c02ff80";
// insert into sg values(4294967295,2155,-1,1.5,0.1,1e22,'abc',b'101',255)
constexpr std::string_view kSignsRow =
    "6e0000000000 1100 0200 09 ffff 0000 ffffffff ff ffffffff 800132 cdcccc3d 92d54d06cff08044 03616263 05 ff";

TEST(Rows, NumbersOfEveryKind) {
  Decoding decode(kSigns);
  EXPECT_THAT(decode(EventType::write_rows, kSignsRow),
              ElementsAre("- -> 4294967295u, 2155, -1, decimal 1.50, 0.1f, 1e+22, 'abc', 5u, 255u"));
  EXPECT_EQ(decode.table_id, 0x6eU);
}

// create table m(t1 text character set latin1, g point, t2 varchar(9), e enum('é','b') character set latin1,
//   s set('x','zé'), e2 enum('日'), v vector(3), v2 vector, bn binary(8), b char(200), h int invisible, k varchar(30),
//   primary key(k(4), bn), ls linestring);
// insert into m(t1,g,t2,e,s,e2,v,bn,b,h,k) values('José €',point(1,2),'x','é','x,zé','日',
//   to_vector('[1.5,-2,3e10]'),x'4142','é',1,'key')
TEST(Rows, TextsLabelsAndVectors) {
  Decoding decode(
      "7000000000000100017200016d000dfcff0ffefefef2f2fefe030fff1302042400f701f801f7010404fe08ce20780004ff160101"
      "00030d08fcff003f3f3ffcff00fcff00070201020d0403fc00080420027431016702743201650173026532017602763202626e01"
      "620168016b026c730a05fcff0000080507020178037ac3a9060a0201e901620103e697a509040b0408000c02ffd8");
  EXPECT_THAT(decode(EventType::write_rows,
                     "700000000000 1100 0200 0d ffff 8010 0600 4a6f73e92080 19000000 00000000010100000000000000"
                     "0000f03f0000000000000040 0178 01 03 01 0c000000 0000c03f000000c07684df50 024142 0200c3a9"
                     "01000000 036b6579"),
              ElementsAre("- -> 'José €', x000000000101000000000000000000f03f0000000000000040, 'x', 'é', 'x,zé', '日', "
                          "[1.5f -2f 30000000000f], null, x4142000000000000, 'é', 1, 'key', null"));
}

// create table js(id int primary key, j1 json, n int, j2 json);
// insert into js values(1,'{"a":1,"b":[1,2,3]}',5,'[10,20]')
constexpr std::string_view kJson =
    "710000000000 0100 017200 026a7300 04 03f503f5 02 0404 0e 010100 040b 026964 026a31 016e 026a32 080100 0c01f0";

// set binlog_row_value_options='PARTIAL_JSON'; update js set j1=json_set(j1,'$.a',2), n=6
constexpr std::string_view kPartial =
    "7100000000001100020004ffff00010000002200000000020021001200010013000100050100021400616203000d000501000502"
    "00050300050000000b0000000202000a00050a0005140001030001000000090000000003242e61030502000600000000000000";

TEST(Rows, JsonAndItsPartialUpdates) {
  Decoding decode(kJson);
  EXPECT_THAT(decode(EventType::write_rows,
                     "7100000000001100020004ff00010000002200000000020021001200010013000100050100021400616203000d0005010"
                     "0050200050300050000000b0000000202000a00050a00051400"),
              ElementsAre(R"(- -> 1, json {"a": 1, "b": [1, 2, 3]}, 5, json [10, 20])"));
  EXPECT_THAT(decode(EventType::partial_update_rows, kPartial),
              ElementsAre(R"(1, json {"a": 1, "b": [1, 2, 3]}, 5, json [10, 20] -> )"
                          R"(1, json {"a": 2, "b": [1, 2, 3]}, 6, json [10, 20])"));
  // update js set j2=json_remove(j2,'$[0]')
  EXPECT_THAT(
      decode(EventType::partial_update_rows,
             "7100000000001100020004ffff00010000002200000000020021001200010013000100050200021400616203000d000501000502"
             "00050300060000000b0000000202000a00050a00051400010300010000000000000006000000060000000204245b305d"),
      ElementsAre(R"(1, json {"a": 2, "b": [1, 2, 3]}, 6, json [10, 20] -> )"
                  R"(1, json {"a": 2, "b": [1, 2, 3]}, 6, json [20])"));
}

// set binlog_row_image=MINIMAL
TEST(Rows, AbsentColumnsAreNotNull) {
  Decoding decode(kJson);
  // update js set j2=json_array_append(j2,'$',7), with PARTIAL_JSON: the server sends it whole
  EXPECT_THAT(
      decode(EventType::partial_update_rows, "71000000000011000200040108000100000000000b0000000202000a00051400050700"),
      ElementsAre("1, absent, absent, absent -> absent, absent, absent, json [20, 7]"));
  // update js set n=7, with PARTIAL_JSON
  EXPECT_THAT(decode(EventType::partial_update_rows, "710000000000110002000401040001000000000007000000"),
              ElementsAre("1, absent, absent, absent -> absent, absent, 7, absent"));
  // update js set n=8; delete from js
  EXPECT_THAT(decode(EventType::update_rows, "7100000000001100020004010400010000000008000000"),
              ElementsAre("1, absent, absent, absent -> absent, absent, 8, absent"));
  EXPECT_THAT(decode(EventType::delete_rows, "7100000000001100020004010001000000"),
              ElementsAre("1, absent, absent, absent -> -"));
  // insert into js(id,n) values(2,9)
  EXPECT_THAT(decode(EventType::write_rows, "7100000000001100020004050002000000 09000000"),
              ElementsAre("- -> 2, absent, 9, absent"));
}

TEST(Rows, DifferencesWithoutTheirDocumentAreRefused) {
  Decoding decode(kJson);
  // Made: the before-image has the key only, the after-image a difference of j1.
  EXPECT_THAT(decode(EventType::partial_update_rows, "710000000000 1100 0200 04 01 02 00 01000000 01 01 00 00000000"),
              ElementsAre("row of table r.js: column \"j1\" (type 245 in the log): differences of a JSON document that "
                          "the before-image lacks (binlog_row_image=FULL helps)"));
}

// create table part(id int primary key, d int) partition by range(id) (...); insert into part values(1,5),(50,6);
// update part set d=60, id=60 where id=1
TEST(Rows, ExtraDataOfPartitionsIsSkipped) {
  Decoding decode("740000000000 0100 017200 047061727400 02 0303 00 02 010100 0405 026964 0164 080100 0c01c0");
  EXPECT_THAT(decode(EventType::write_rows, "740000000000 1000 0500 010000 02 ff 00 01000000 05000000"),
              ElementsAre("- -> 1, 5"));
  EXPECT_THAT(decode(EventType::update_rows,
                     "740000000000 1100 0700 0101000000 02 ff ff 00 01000000 05000000 00 3c000000 3c000000"),
              ElementsAre("1, 5 -> 60, 60"));
  EXPECT_THAT(decode(EventType::update_rows, "740000000000 1100 0100 02 ff ff"), ElementsAre("rows event ends early"));
}

// create table lc(id int, t varchar(400), p int) charset utf8mb4; set global log_bin_compress=ON,
// log_bin_compress_min_len=10; insert into lc values(1,repeat('a',300),null),(2,'z',7); update lc set p=8;
// delete from lc where id=1
TEST(Mariadb, CompressedEvents) {
  Decoding decode("1a0000000000 0100 017200 026c6300 03 030f03 02 4006 07 010100 02012d 0407 026964 0174 0170",
                  Flavor::mariadb);
  const std::string a = "'" + std::string(300, 'a') + "'";
  EXPECT_THAT(decode(EventType::mariadb_write_rows_compressed_v1,
                     "1a0000000000 0100 03 07 82013f789cfbc3c8c0c0a0c398380a88063f988041c6c850c50ea400ade27453"),
              ElementsAre("- -> 1, " + a + ", null", "- -> 2, 'z', 7"));
  EXPECT_THAT(decode(EventType::mariadb_update_rows_compressed_v1,
                     "1a0000000000 0100 03 07 07 820282789cfbc3c8c0c0a0c398380a88063f46838c54c0010cb11f4c408291a18a1d89"
                     "0d1207008399e8aa"),
              ElementsAre("1, " + a + ", null -> 1, " + a + ", 8", "2, 'z', 7 -> 2, 'z', 8"));
  EXPECT_THAT(decode(EventType::mariadb_delete_rows_compressed_v1,
                     "1a0000000000 0100 03 07 820137789cfbc1c8c0c0a0c398380a88061cc0100300040672db"),
              ElementsAre("1, " + a + ", 8 -> -"));
  EXPECT_THAT(decode(EventType::mariadb_delete_rows_compressed_v1,
                     "1a0000000000 0100 03 07 820138789cfbc1c8c0c0a0c398380a88061cc0100300040672db"),
              ElementsAre("a compressed event that is damaged"));
  EXPECT_THAT(decode(EventType::mariadb_delete_rows_compressed_v1, "1a0000000000 0100 03 07 84ffffffff789c"),
              ElementsAre("a compressed event that is damaged"));
}

// set column_compression_zlib_wrap=ON; create table w(id int, v varchar(300) compressed) charset latin1;
// insert into w values(1,repeat('é',280))
TEST(Mariadb, ACompressedColumnInACompressedEvent) {
  Decoding decode("1b0000000000 0100 017200 017700 02 038d 02 2d01 03 010100 020108 0405 026964 0176", Flavor::mariadb);
  std::string text;
  for (int i = 0; i < 280; ++i) text += "é";
  EXPECT_THAT(decode(EventType::mariadb_write_rows_compressed_v1,
                     "1b0000000000 0100 02 03 8117789cfbc3c8c0c020c0d0c4285131a7fa6791480233c3b393ff6e02004df708a0"),
              ElementsAre("- -> 1, '" + text + "'"));
}

// set global mysql56_temporal_format=OFF; create table o(id int, t0 time, t1 time(1), t3 time(3), t6 time(6),
//   d0 datetime, d1 datetime(1), d3 datetime(3), d6 datetime(6), s0 timestamp, s1 timestamp(1) null,
//   s3 timestamp(3) null, s6 timestamp(6) null, z varchar(3)) charset utf8mb4
TEST(Mariadb, OldTemporalFormatsNeedTheirDigits) {
  constexpr std::string_view kMap =
      "190000000000 0100 017000 016f00 0e 030b0b0b0b0c0c0c0c070707070f 02 0c00 ff3f 010100 02012d 0429 026964"
      "027430 027431 027433 027436 026430 026431 026433 026436 027330 027331 027333 027336 017a";
  constexpr std::string_view kRow =
      "190000000000 0100 0e ff3f 00c0 01000000 590a80 01cce05f 00b3d0b606 02bf3dde7bff 457c178468120000 00a96298ed78"
      "00422a83bcc32e 01027612995a6f35 257d9365 65937d2506 65937d2502a6 65937d250a5bf5 03656e64";
  std::vector<ColumnHint> hints(14);
  for (std::size_t i = 1; i < 13; ++i) hints[i].digits = std::array<std::uint8_t, 4>{0, 1, 3, 6}[(i - 1) % 4];
  Decoding decode(kMap, Flavor::mariadb, hints);
  auto rows = decode(EventType::write_rows_v1, kRow);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_THAT(rows[0], HasSubstr("time -01:00:00.250, time -00:00:00.000001, datetime 2024-01-02T03:04:05, "));
  EXPECT_THAT(rows[0], HasSubstr("timestamp 2024-01-02T03:04:05.678901Z, 'end'"));
  Decoding without(kMap, Flavor::mariadb);
  EXPECT_THAT(without(EventType::write_rows_v1, kRow).back(), HasSubstr("row of table p.o: column \""));
}

TEST(Rows, FailuresNameTheColumn) {
  Decoding decode(kSigns);
  EXPECT_THAT(decode(EventType::write_rows, std::string(kSignsRow) + "00"),
              ElementsAre(HasSubstr("'abc', 5u, 255u"),
                          "row of table r.sg: column \"a\" (type 3 in the log): the event ends early"));
  auto cut = from_hex(kSignsRow);
  cut.erase(cut.end() - 3, cut.end());
  EXPECT_THAT(decode(EventType::write_rows, cut),
              ElementsAre("row of table r.sg: column \"x\" (type 15 in the log): the event ends early"));
  EXPECT_THAT(decode(EventType::write_rows, "6e0000000000 1100 0200 08 ff 00 01"),
              ElementsAre("row of table r.sg: the rows have 8 columns, their table map has 9"));
  EXPECT_THAT(decode(EventType::write_rows, "6e0000000000 1100 0200 09 0000 01"),
              ElementsAre("row of table r.sg: rows without columns that have bytes left over"));
  EXPECT_THAT(decode(EventType::query, kSignsRow), ElementsAre("not a rows event"));
  // The dummy that only ends a statement.
  EXPECT_TRUE(decode(EventType::write_rows, "ffffff000000 0100 0200 00").empty());
}

// Nothing that is cut short or damaged reads out of bounds, or goes on for ever.
TEST(Rows, SurviveEveryCutAndFlip) {
  Decoding signs(kSigns), json(kJson);
  const auto partial = from_hex(kPartial);
  auto damage = [](Decoding& decode, EventType type, const std::vector<std::byte>& whole) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      (void)decode(type, std::move(cut));
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (unsigned bits : {1U, 4U, 0x80U, 0xFFU}) {
        auto flipped = whole;
        flipped[at] ^= static_cast<std::byte>(bits);
        (void)decode(type, std::move(flipped));
      }
    }
  };
  damage(signs, EventType::write_rows, from_hex(kSignsRow));
  damage(json, EventType::partial_update_rows, partial);
}

}  // namespace
}  // namespace deltaforge::sources::mysql
