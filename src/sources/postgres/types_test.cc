// Text forms of PostgreSQL values -> Values: scalars, arrays, domains. The forms are what servers print.
#include "sources/postgres/types.h"

#include <gtest/gtest.h>

#include "sources/postgres/text.h"
#include "sources/testing/recording_intake.h"

namespace deltaforge::sources::postgres {
namespace {

using testing::render;

struct Decoding {
  PageBudget budget{1 << 20};
  Pages pages{budget};
  Scratch scratch{&pages, {}};

  std::string operator()(const Type& type, std::string text) {
    // Exact size on the heap: the sanitizer sees a read past the end.
    std::vector<char> exact(text.begin(), text.end());
    Value value;
    if (!type.decode(type, exact, scratch, value)) return "refused";
    return render(value);
  }
};

std::string decode(std::uint32_t oid, std::string text) {
  TypeTable types;
  return Decoding()(*types.get(oid), std::move(text));
}

struct Case {
  std::uint32_t oid;
  std::string text, expected;
};

class Scalars : public ::testing::TestWithParam<Case> {};
TEST_P(Scalars, Decode) { EXPECT_EQ(decode(GetParam().oid, GetParam().text), GetParam().expected); }

constexpr std::uint32_t kBool = 16, kBytea = 17, kChar = 18, kInt8 = 20, kInt4 = 23, kText = 25, kOid = 26, kJson = 114,
                        kFloat4 = 700, kFloat8 = 701, kDate = 1082, kTime = 1083, kTimestamp = 1114,
                        kTimestamptz = 1184, kTimetz = 1266, kNumeric = 1700, kUuid = 2950, kJsonb = 3802;

INSTANTIATE_TEST_SUITE_P(
    Forms, Scalars,
    ::testing::Values(
        Case{kBool, "t", "true"}, Case{kBool, "f", "false"}, Case{kBool, "true", "refused"}, Case{kBool, "", "refused"},
        Case{kInt4, "-2147483648", "-2147483648"}, Case{kInt8, "9223372036854775807", "9223372036854775807"},
        Case{kInt8, "9223372036854775808", "refused"}, Case{kInt4, "", "refused"}, Case{kInt4, "1 ", "refused"},
        Case{kOid, "4294967295", "4294967295"}, Case{kFloat8, "0.30000000000000004", "0.30000000000000004"},
        Case{kFloat8, "-0", "-0"}, Case{kFloat8, "1e+20", "1e+20"}, Case{kFloat8, "5e-324", "5e-324"},
        Case{kFloat8, "NaN", "\"NaN\""}, Case{kFloat8, "-Infinity", "\"-Infinity\""}, Case{kFloat8, "1,5", "refused"},
        Case{kFloat4, "1e-45", "1e-45"}, Case{kFloat4, "3.4028235e+38", "3.4028235e+38"},
        Case{kFloat4, "Infinity", "\"Infinity\""}, Case{kFloat4, "", "refused"},
        Case{kNumeric, "10000000.00", "decimal 10000000.00"}, Case{kNumeric, "NaN", "decimal NaN"},
        Case{kNumeric, "-Infinity", "decimal -Infinity"}, Case{kText, "", "\"\""}, Case{kText, "NULL", "\"NULL\""},
        Case{kBytea, "\\x", "x"}, Case{kBytea, "\\x00fF5c", "x00ff5c"}, Case{kBytea, "\\x0", "refused"},
        Case{kBytea, "\\x0g", "refused"}, Case{kBytea, "abc", "refused"}, Case{kBytea, "", "refused"},
        Case{kChar, "x", "\"x\""}, Case{kChar, "\x80", "\"\\\\200\""}, Case{kChar, "\\200", "\"\\\\200\""},
        Case{kChar, "", "\"\""}, Case{kJson, "{\"a\": 1,  \"a\":2}", "json {\"a\": 1,  \"a\":2}"},
        Case{kJsonb, "null", "json null"},
        Case{kUuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""}));

INSTANTIATE_TEST_SUITE_P(
    Times, Scalars,
    ::testing::Values(Case{kDate, "2024-02-29", "date 2024-02-29"}, Case{kDate, "infinity", "\"infinity\""},
                      Case{kDate, "0044-03-15 BC", "\"0044-03-15 BC\""},
                      Case{kDate, "5874897-12-31", "date 5874897-12-31"}, Case{kTime, "24:00:00", "time 24:00:00"},
                      Case{kTimetz, "12:34:56+05:30:15", "time 12:34:56+05:30:15"},
                      Case{kTimestamp, "2024-02-29 12:00:00.5", "datetime 2024-02-29T12:00:00.5"},
                      Case{kTimestamp, "-infinity", "\"-infinity\""},
                      Case{kTimestamp, "0044-03-15 12:00:00 BC", "\"0044-03-15T12:00:00 BC\""},
                      Case{kTimestamp, "294276-12-31 23:59:59.999999", "datetime 294276-12-31T23:59:59.999999"},
                      Case{kTimestamp, "10/03/2024", "refused"},
                      Case{kTimestamptz, "2024-02-29 12:00:00.5+00", "timestamp 2024-02-29T12:00:00.5Z"},
                      Case{kTimestamptz, "0044-03-15 12:00:00+00 BC", "\"0044-03-15T12:00:00Z BC\""},
                      Case{kTimestamptz, "infinity", "\"infinity\""},
                      // A session whose zone is not UTC: our settings did not hold, and nothing may be guessed.
                      Case{kTimestamptz, "2024-02-29 12:00:00-05", "refused"}, Case{kTimestamptz, "+00", "refused"},
                      Case{kTimestamptz, "2024-02-29 12:00:00", "refused"}, Case{kTimestamptz, "", "refused"}));

constexpr std::uint32_t kInts = 1007, kTexts = 1009, kByteas = 1001, kBoxes = 1020, kTimestamptzs = 1185;

INSTANTIATE_TEST_SUITE_P(
    Arrays, Scalars,
    ::testing::Values(Case{kInts, "{}", "[]"}, Case{kInts, "{1}", "[1]"}, Case{kInts, "{1,NULL,-3}", "[1,null,-3]"},
                      Case{kInts, "[0:2]={1,NULL,3}", "[1,null,3]"}, Case{kInts, "{{1,2},{3,4}}", "[[1,2],[3,4]]"},
                      Case{kInts, "{{{1,2},{3,4}},{{5,6},{7,8}}}", "[[[1,2],[3,4]],[[5,6],[7,8]]]"},
                      Case{kInts, "{{{{{{1}}}}}}", "[[[[[[1]]]]]]"}, Case{kInts, "{{{{{{{1}}}}}}}", "refused"},
                      Case{kTexts, "{a,\"NULL\",NULL,null}", "[\"a\",\"NULL\",null,\"null\"]"},
                      Case{kTexts, R"({"q\"\\x","a,b",""," s ","{}"})", R"(["q\"\\x","a,b",""," s ","{}"])"},
                      Case{kTexts, "[-1:0][2:3]={{a,b},{c,d}}", "[[\"a\",\"b\"],[\"c\",\"d\"]]"},
                      Case{kTexts, R"({{"a,b",NULL},{"NULL","q\"\\x"}})", R"([["a,b",null],["NULL","q\"\\x"]])"},
                      Case{kTexts, "{a b}", "[\"a b\"]"}, Case{kByteas, R"({"\\x00ff","\\x",NULL})", "[x00ff,x,null]"},
                      Case{kBoxes, "{(1,1),(0,0);(2,2),(1,1)}", "[\"(1,1),(0,0)\",\"(2,2),(1,1)\"]"},
                      Case{kTimestamptzs, R"({"2024-02-29 12:00:00+00",infinity})",
                           "[timestamp 2024-02-29T12:00:00Z,\"infinity\"]"},
                      Case{kInts, "", "refused"}, Case{kInts, "{", "refused"}, Case{kInts, "{1", "refused"},
                      Case{kInts, "{1,", "refused"}, Case{kInts, "{1,}", "refused"}, Case{kInts, "{,1}", "refused"},
                      Case{kInts, "{1}x", "refused"}, Case{kInts, "{{1}", "refused"}, Case{kInts, "{1}}", "refused"},
                      Case{kInts, "{x}", "refused"}, Case{kInts, "[0:1]", "refused"}, Case{kInts, "[0:1]=", "refused"},
                      Case{kInts, "1,2", "refused"}, Case{kTexts, "{\"a}", "refused"},
                      Case{kTexts, "{\"a\\", "refused"}, Case{kTexts, "{\"a\"b}", "refused"},
                      Case{kTexts, "{a\"b\"}", "refused"}, Case{kTexts, "{a\\,b}", "refused"}));

TEST(TypeTable, UnknownTypesAreTheirText) {
  TypeTable types;
  EXPECT_FALSE(types.knows(99999));
  EXPECT_EQ(Decoding()(*types.get(99999), "(1,\"x\")"), "\"(1,\\\"x\\\")\"");
}

TEST(TypeTable, DomainsAreTheirBaseTypeAndArraysOfThemToo) {
  TypeTable types;
  // posint -> int4; posint[]; a domain over that domain; a domain over text[]; an array of a domain over an array
  std::vector<TypeRow> rows{{50'003, 50'000, 0, ','}, {50'001, 0, 50'000, ','}, {50'000, 23, 0, ','},
                            {50'004, 1009, 0, ','},   {50'005, 0, 50'004, ','}, {50'006, 0, 50'007, ';'},
                            {50'007, 0, 0, ','}};
  types.learn(rows);
  EXPECT_EQ(Decoding()(*types.get(50'000), "7"), "7");
  EXPECT_EQ(Decoding()(*types.get(50'003), "7"), "7");
  EXPECT_EQ(Decoding()(*types.get(50'001), "{1,NULL}"), "[1,null]");
  EXPECT_EQ(Decoding()(*types.get(50'004), "{x,NULL}"), "[\"x\",null]");
  EXPECT_EQ(Decoding()(*types.get(50'005), R"({"{x,NULL}",NULL})"), "[[\"x\",null],null]");
  EXPECT_EQ(Decoding()(*types.get(50'006), "{a,b;c}"), "[\"a,b\",\"c\"]");
  EXPECT_TRUE(types.knows(50'007));
}

TEST(TypeTable, HstoreIsAnObject) {
  TypeTable types;
  // hstore, a domain over it, an array of it; a type of that name which is not the extension's
  std::vector<TypeRow> rows{
      {50'000, 0, 0, ',', true}, {50'001, 50'000, 0, ','}, {50'002, 0, 50'000, ','}, {50'003, 0, 0, ','}};
  types.learn(rows);
  auto hstore = [&](std::string text, std::uint32_t oid = 50'000) {
    return Decoding()(*types.get(oid), std::move(text));
  };
  EXPECT_EQ(hstore(""), "json {}");
  EXPECT_EQ(hstore(R"("a"=>"1", "b"=>NULL, ""=>"")"), R"(json {"a":"1","b":null,"":""})");
  EXPECT_EQ(hstore(R"("a\"b\\"=>"\"=>NULL, ", "c"=>"NULL")"), R"(json {"a\"b\\":"\"=>NULL, ","c":"NULL"})");
  EXPECT_EQ(hstore("\"\n\"=>\"\x01\t ž\""), "json {\"\\u000a\":\"\\u0001\\u0009 ž\"}");
  EXPECT_EQ(hstore(R"("a"=>"1")", 50'001), R"(json {"a":"1"})");
  EXPECT_EQ(hstore(R"({"\"a\"=>\"x\\\"y\", \"b\"=>NULL",NULL,""})", 50'002),
            R"([json {"a":"x\"y","b":null},null,json {}])");
  EXPECT_EQ(hstore(R"("a"=>"1")", 50'003), R"("\"a\"=>\"1\"")");
  for (const char* odd : {"a", "\"a\"", "\"a\"=>", "\"a\"=>1", "\"a\"=>NUL", "\"a\"=>\"", "\"a\"=>\"1\",",
                          "\"a\"=>\"1\", ", "\"a\"=>\"1\"x", "\"a\"=>\"\\", "\"a\"=>\"\\x\"", "NULL=>\"1\"", " "})
    EXPECT_EQ(hstore(odd), "refused") << odd;
}

TEST(TypeTable, ACircleInTheCatalogueEnds) {
  TypeTable types;
  std::vector<TypeRow> rows{{1, 2, 0, ','}, {2, 1, 0, ','}};
  types.learn(rows);
  EXPECT_EQ(Decoding()(*types.get(1), "x"), "\"x\"");
}

}  // namespace
}  // namespace deltaforge::sources::postgres
