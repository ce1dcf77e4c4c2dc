// MySQL's binary JSON -> text: what a MySQL 9.7 server stored and what its SELECT printed, and bytes that no server
// stores.
#include "sources/mysql/json_binary.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace deltaforge::sources::mysql {
namespace {

std::string unhex(std::string_view hex) {
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  return bytes;
}

std::string print(std::string_view binary) {
  PageBudget budget{1 << 20};
  Pages pages{budget};
  // Exact size on the heap: the sanitizer sees a read past the end.
  std::vector<char> exact(binary.begin(), binary.end());
  auto text = print_json(as_bytes({exact.data(), exact.size()}), pages);
  if (text) return std::string(*text);
  EXPECT_LE(text.failure().offset, binary.size());
  return "refused: " + text.failure().what;
}

struct Case {
  std::string_view sql, hex, text;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.sql; }

class RecordedJson : public ::testing::TestWithParam<Case> {};
TEST_P(RecordedJson, PrintsAsTheServerDoes) {
  EXPECT_EQ(print(unhex(GetParam().hex)), GetParam().text) << GetParam().sql;
}

// A container says how long it is, a text and an opaque value too, and numbers have their size: nothing may be cut.
TEST_P(RecordedJson, NeedsAllItsBytes) {
  std::string binary = unhex(GetParam().hex);
  for (std::size_t size = 1; size < binary.size(); ++size) {
    EXPECT_EQ(print(binary.substr(0, size)).substr(0, 7), "refused") << GetParam().sql << " cut at " << size;
  }
}

// Whatever the bytes say: no read outside, and a text in proportion to them.
TEST_P(RecordedJson, SurvivesChangedBytes) {
  const std::string binary = unhex(GetParam().hex);
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string changed = binary;
    for (std::size_t i = 0; i <= random() % 4; ++i) {
      changed[random() % changed.size()] = static_cast<char>(random() % 3 == 0 ? random() % 32 : random());
    }
    EXPECT_LE(print(changed).size(), 10 * changed.size() + 100);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, RecordedJson,
    ::testing::Values(
        Case{R"x('{"name":"a","id":1,"val":1.0,"pi":3.14,"big":18446744073709551615,"d":1e22,"z":-0.0}')x",
             "0007006f00350001003600010037000200390002003b0003003e000300410004000b45000b4d000501000b55000a5d000b65"
             "000c6d00647a6964706962696776616c6e616d6592d54d06cff0804400000000000000801f85eb51b81e0940ffffffffffff"
             "ffff000000000000f03f0161",
             R"x({"d": 1e22, "z": -0.0, "id": 1, "pi": 3.14, "big": 18446744073709551615, "val": 1.0, "name": "a"})x"},
        Case{
            R"x(json_object('dec', cast(1.10 as decimal(10,2)), 'dt', cast('2020-01-02 03:04:05.678901' as datetime(6)), 'd', cast('2020-01-02' as date), 't', cast('-12:34:56.5' as time(1)), 'bin', cast(x'00ff' as binary), 'bit', b'101'))x",
            "00060069002e0001002f000100300002003200030035000300380003000f3b000f45000f4f000f59000f5d000f6000647464"
            "7462696e6269746465630a08000000000044a5190b08e05ef84737ffffff0c08f55b0a053144a5190f0200ff0f0105f6070b"
            "02800000010a",
            R"x({"d": "2020-01-02", "t": "-12:34:56.500000", "dt": "2020-01-02 03:04:05.678901", "bin": "base64:type15:AP8=", "bit": "base64:type15:BQ==", "dec": 1.10})x"},
        Case{R"x(cast(cast('1234567890123456789012345678901' as decimal(31)) as json))x",
             "0ff6122400800004d221d950cb1b3a0c14149aa435", R"x(1234567890123456789012345678901)x"},
        Case{
            R"x(json_array(cast('-0.5' as decimal(5,2)), cast('0.00' as decimal(5,2)), cast('-12345678901.000000000100' as decimal(40,12)), 1.25 * 3))x",
            "0204003d000f10000f19000f22000f3400f6070b027fffffffcdf6070b028000000000f6101e0c7ffffff3eb655bcaffffff"
            "ffff9bf6070b02800000034b",
            R"x([-0.50, 0.00, -12345678901.000000000100, 3.75])x"},
        Case{
            R"x(json_array(cast('0000-00-00' as datetime), cast('9999-12-31 23:59:59.999999' as datetime(6)), cast('838:59:59' as time), from_unixtime(0)))x",
            "02040038000f10000f1a000f24000f2e000c0800000000000000000c083f420ffb7efff37e0b08000000fb6e3400000c0800"
            "00000000c20219",
            R"x(["0000-00-00 00:00:00.000000", "9999-12-31 23:59:59.999999", "838:59:59.000000", "1970-01-01 00:00:00.000000"])x"},
        Case{
            R"x(json_array(repeat('x', 58) , cast(repeat('x', 57) as binary), cast(repeat('x', 58) as binary), cast('' as binary)))x",
            "020400c4000c10000f4b000f86000fc2003a7878787878787878787878787878787878787878787878787878787878787878"
            "78787878787878787878787878787878787878787878787878780f3978787878787878787878787878787878787878787878"
            "78787878787878787878787878787878787878787878787878787878787878787878780f3a78787878787878787878787878"
            "7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878780f00",
            R"x(["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "base64:type15:eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4", "base64:type15:eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4\neA==", "base64:type15:"])x"},
        Case{R"x('null')x", "0400", R"x(null)x"}, Case{R"x('true')x", "0401", R"x(true)x"},
        Case{R"x('false')x", "0402", R"x(false)x"}, Case{R"x('"str"')x", "0c03737472", R"x("str")x"},
        Case{R"x('1e308')x", "0ba0c8eb85f3cce17f", R"x(1e308)x"},
        Case{R"x('-0.0')x", "0b0000000000000080", R"x(-0.0)x"}, Case{R"x('-32769')x", "07ff7fffff", R"x(-32769)x"},
        Case{R"x('4294967295')x", "09ffffffff00000000", R"x(4294967295)x"},
        Case{R"x('9223372036854775808')x", "0a0000000000000080", R"x(9223372036854775808)x"},
        Case{R"x('{"":"x","b":"q\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f","é":"😀"}')x",
             "000300300019000000190001001a0002000c1c000c1e000c2b0062c3a901780c71225c2f080c0a0d09001f7f04f09f9880",
             R"x({"": "x", "b": "q\"\\/\b\f\n\r\t\u0000\u001f", "é": "😀"})x"},
        Case{
            R"x('[0,-1,32767,32768,65535,65536,-32768,-32769,2147483647,4294967295,-9223372036854775808,true,false,null,"",{},[]]')x",
            "021100640005000005ffff05ff7f073700073b00073f00050080074300074700094b000953000401000402000400000c5b00"
            "005c0002600000800000ffff000000000100ff7fffffffffff7fffffffff0000000000000000000000800000000400000004"
            "00",
            R"x([0, -1, 32767, 32768, 65535, 65536, -32768, -32769, 2147483647, 4294967295, -9223372036854775808, true, false, null, "", {}, []])x"},
        Case{
            R"x('[1e15,123456789012345.5,1234567890123456.7,1e16,1e-15,1e-16,12345.678e-19,5e-324,1.7976931348623157e308,100000000000000.0]')x",
            "020a0072000b22000b2a000b32000b3a000b42000b4a000b52000b5a000b62000b6a0000003426f56b0c4360de77832112dc"
            "4203eb2af2548b11430080e03779c341431656e79eaf03d23cbc89d897b2d29c3c73075f66703dd63c0100000000000000ff"
            "ffffffffffef7f0000901ec4bcd642",
            R"x([1e15, 123456789012345.5, 1234567890123456.8, 1e16, 0.000000000000001, 1e-16, 0.0000000000000012345678, 5e-324, 1.7976931348623157e308, 100000000000000.0])x"}));

// Updates in place: key order and value order differ, and bytes that nothing points at lie between them.
INSTANTIATE_TEST_SUITE_P(
    Holes, RecordedJson,
    ::testing::Values(
        Case{R"x(json_set(j,'$.name','Mon'))x",
             "0004006d00200001002100040025000400290004000501000a2d000235000c66006e676f6e656c6973746e616d65351cdcdf"
             "02000000040031000501000c10000b1400001c000374776f0000000000000840010015000b0001000c0c0078087979797979"
             "797979034d6f6e646179",
             R"x({"n": 1, "gone": 12345678901, "list": [1, "two", 3.0, {"x": "yyyyyyyy"}], "name": "Mon"})x"},
        Case{R"x(json_remove(j,'$.gone'))x",
             "0003006d002000010025000400290004000501000235000c6600000235000c66006e676f6e656c6973746e616d65351cdcdf"
             "02000000040031000501000c10000b1400001c000374776f0000000000000840010015000b0001000c0c0078087979797979"
             "797979034d6f6e646179",
             R"x({"n": 1, "list": [1, "two", 3.0, {"x": "yyyyyyyy"}], "name": "Mon"})x"},
        Case{R"x(json_replace(j,'$.list[3].x','z','$.list[1]',70000))x",
             "0003006d002000010025000400290004000501000235000c6600000235000c66006e676f6e656c6973746e616d65351cdcdf"
             "02000000040031000501000710000b1400001c00701101000000000000000840010015000b0001000c0c0078017a79797979"
             "797979034d6f6e646179",
             R"x({"n": 1, "list": [1, 70000, 3.0, {"x": "z"}], "name": "Mon"})x"},
        Case{R"x(json_remove(j,'$.list[0]'))x",
             "0003006d002000010025000400290004000501000235000c6600000235000c66006e676f6e656c6973746e616d65351cdcdf"
             "02000000030031000710000b1400001c00001c00701101000000000000000840010015000b0001000c0c0078017a79797979"
             "797979034d6f6e646179",
             R"x({"n": 1, "list": [70000, 3.0, {"x": "z"}], "name": "Mon"})x"},
        Case{R"x(json_set(j,'$.name','Friday'))x",
             "0003006d002000010025000400290004000501000235000c6600000235000c66006e676f6e656c6973746e616d65351cdcdf"
             "02000000030031000710000b1400001c00001c00701101000000000000000840010015000b0001000c0c0078017a79797979"
             "79797906467269646179",
             R"x({"n": 1, "list": [70000, 3.0, {"x": "z"}], "name": "Friday"})x"}));

TEST(JsonBinary, NothingIsNull) {
  // "alter table z add column j json not null" leaves rows with a JSON of no bytes; SELECT prints null.
  EXPECT_EQ(print(""), "null");
}

TEST(JsonBinary, DecimalsWhosePrecisionIsRoundedUp) {
  // json_array(cast('...' as decimal(p,s))) with 37 and 47 whole digits: 66 and 69 digits in all, more than a column's.
  EXPECT_EQ(print(unhex("02010029000f0700f6204215800000031a4b6c3728e74254304360cc27cd73f0056031cd0883bbb5031a")),
            "[3441150519686244436809722060667775984.090190285142850997794]");
  EXPECT_EQ(print(unhex("0201002a000f0700f621450f800000222b0613e22cdb728d22492e572390d40020c04af51ddbb372016c33")),
            "[34721818594752579213575221335596694016549473013.500937586093235]");
}

TEST(JsonBinary, LargeArray) {
  // json_array(repeat('x',70000), 1, -2, 70000, 4294967295, 3000000000, -70000, 1.5, true,
  //            json_object('k', -5, 'll', null))
  const std::string x(70000, 'x');
  std::string binary = unhex(
      "030a000000d81101000c3a000000050100000005feffffff077011010009ad11010009b51101000790eefeff0fbd110100040100000000c3"
      "110100f0a204");
  binary += x + unhex("ffffffff00000000005ed0b200000000f6040201810502001500120001001300020005fbff0400006b6c6c");
  EXPECT_EQ(print(binary),
            "[\"" + x + "\", 1, -2, 70000, 4294967295, 3000000000, -70000, 1.5, true, " + "{\"k\": -5, \"ll\": null}]");
}

TEST(JsonBinary, LargeObject) {
  // json_object('k',repeat('x',70000), 'i', -70000)
  const std::string x(70000, 'x');
  EXPECT_EQ(print(unhex("0102000000931101001e00000001001f00000001000790eefeff0c20000000696bf0a204") + x),
            "{\"i\": -70000, \"k\": \"" + x + "\"}");
}

std::string u16(std::size_t number) { return {static_cast<char>(number), static_cast<char>(number >> 8)}; }

// A small array whose `count` values of the type are all at one place, the bytes behind its entries.
std::string array(std::size_t count, char type, std::string_view shared) {
  const std::size_t start = 4 + 3 * count;
  std::string result = '\x02' + u16(count) + u16(start + shared.size());
  for (std::size_t i = 0; i < count; ++i) result += type + u16(start);
  return result.append(shared);
}

std::string nested(int depth, std::size_t fan_out) {
  std::string result = array(0, 0, "");
  for (int i = 1; i < depth; ++i) result = array(fan_out, '\x02', result.substr(1));
  return result;
}

TEST(JsonBinary, NestsAHundredDeep) {
  EXPECT_EQ(print(nested(100, 1)), std::string(100, '[') + std::string(100, ']'));
  EXPECT_EQ(print(nested(101, 1)), "refused: a JSON document is nested more than 100 deep");
}

TEST(JsonBinary, SharedBytesDoNotMultiply) {
  EXPECT_EQ(print(nested(100, 2)), "refused: values of a JSON document overlap");
  const std::string text = "\xE0\xD4\x03" + std::string(60000, 'x');
  EXPECT_EQ(print(array(1, '\x0c', text)).size(), 60004u);
  EXPECT_EQ(print(array(1500, '\x0c', text)), "refused: values of a JSON document overlap");
}

TEST(JsonBinary, RefusesWhatCannotBe) {
  struct {
    std::string_view hex, why;
  } const cases[] = {
      {"02010007000200", "a JSON container passes the end of what holds it"},
      {"0201000700020000", "a JSON value lies outside of its container"},  // itself
      {"0201000700020700", "a JSON value lies outside of its container"},  // its end
      {"020100070002ffff", "a JSON value lies outside of its container"},
      {"02ffff07000c0700", "the entries of a JSON container pass its end"},
      {"02010008000c07000161", "a JSON value passes the end of what holds it"},  // beyond the array's own size
      {"0001000b0004000100040000", "a JSON key lies outside of its object"},     // in the entries
      {"0001000b000b000100040000", "a JSON key lies outside of its object"},
      {"0303000000ffffffff", "a JSON container passes the end of what holds it"},
      {"03ffffffffffffffff", "a JSON container passes the end of what holds it"},
      {"0403", "an unknown JSON literal"},
      {"04", "an unknown JSON literal"},
      {"0d00", "a JSON value of an unknown type"},
      {"ff00", "a JSON value of an unknown type"},
      {"0b000000000000f07f", "a JSON number is not finite"},
      {"0b000000000000f87f", "a JSON number is not finite"},
      {"0c02c328", "a JSON text is not UTF-8"},
      {"0c03eda080", "a JSON text is not UTF-8"},
      {"0c8080808080", "a JSON value passes the end of what holds it"},
      {"0cffffffff7f61", "a JSON value passes the end of what holds it"},
      {"0ff6020000", "an SQL value inside of JSON is malformed"},      // decimal(0,0)
      {"0ff60303058000", "an SQL value inside of JSON is malformed"},  // decimal(3,5)
      {"0ff6060b0280000000", "an SQL value inside of JSON is malformed"},
      {"0ff60402018a05", "an SQL value inside of JSON is malformed"},  // 10 in one digit
      {"0f0c0740fffffffffff1", "an SQL value inside of JSON is malformed"},
      {"0f0c080000000000000080", "an SQL value inside of JSON is malformed"},
      {"0f0b0840420f0000000000", "an SQL value inside of JSON is malformed"},  // 1000000 microseconds
      {"0f0b080000003c00000000", "an SQL value inside of JSON is malformed"},  // 60 seconds
  };
  for (const auto& c : cases) {
    EXPECT_EQ(print(unhex(c.hex)), "refused: " + std::string(c.why)) << c.hex;
  }
}

}  // namespace
}  // namespace deltaforge::sources::mysql
