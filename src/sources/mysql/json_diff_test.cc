// Partial JSON updates: what a MySQL 9.7 server logged with binlog_row_value_options=PARTIAL_JSON and what its SELECT
// printed afterwards, and diffs that no server logs.
#include "sources/mysql/json_diff.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
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

std::string patch(std::string_view before, std::string_view diffs) {
  PageBudget budget{1 << 20};
  Pages pages{budget};
  // Exact sizes on the heap: the sanitizer sees a read past the end.
  std::vector<char> exact_before(before.begin(), before.end()), exact_diffs(diffs.begin(), diffs.end());
  auto text = apply_json_diff(as_bytes({exact_before.data(), exact_before.size()}),
                              as_bytes({exact_diffs.data(), exact_diffs.size()}), pages);
  if (text) return std::string(*text);
  EXPECT_LE(text.failure().offset, std::max(before.size(), diffs.size()));
  return "refused: " + text.failure().what;
}

struct Case {
  std::string_view sql, before, diffs, text;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.sql; }

class Recorded : public ::testing::TestWithParam<Case> {};
TEST_P(Recorded, GivesWhatTheServerHas) {
  EXPECT_EQ(patch(unhex(GetParam().before), unhex(GetParam().diffs)), GetParam().text) << GetParam().sql;
}

TEST_P(Recorded, SurvivesChangedBytes) {
  const std::string before = unhex(GetParam().before), diffs = unhex(GetParam().diffs);
  std::mt19937 random(11);
  for (int round = 0; round < 500; ++round) {
    std::string changed_before = before, changed_diffs = diffs;
    auto change = [&random](std::string& bytes) {
      if (!bytes.empty()) bytes[random() % bytes.size()] = static_cast<char>(random() % 2 ? random() % 32 : random());
    };
    if (round % 3 != 0) change(changed_before);
    if (round % 3 != 1) change(changed_diffs);
    EXPECT_LE(patch(changed_before, changed_diffs).size(), 10 * (before.size() + diffs.size()) + 100);
  }
  for (std::size_t size = 0; size < diffs.size(); ++size) patch(before, diffs.substr(0, size));
}

INSTANTIATE_TEST_SUITE_P(
    Updates, Recorded,
    ::testing::Values(
        Case{R"x(json_set(j,'$.dec','x'))x",
             "0003003500190001001a0003001d0003000501000502000c2000616465637061641478787878787878787878787878787878"
             "78787878",
             "0005242e646563030c0178", R"x({"a": 1, "dec": "x", "pad": "xxxxxxxxxxxxxxxxxxxx"})x"},
        Case{R"x(json_set(j,'$.a[1]',json_object('k',1.5)))x",
             "000200380012000100130003000216000c23006170616403000d000501000502000503001478787878787878787878787878"
             "78787878787878",
             "0006242e615b315d1300010012000b0001000f0c006bf60402018105",
             R"x({"a": [1, {"k": 1.5}, 3], "pad": "xxxxxxxxxxxxxxxxxxxx"})x"},
        Case{R"x(json_remove(j,'$.a[0]'))x",
             "000200380012000100130003000216000c23006170616403000d000501000502000503001478787878787878787878787878"
             "78787878787878",
             "0206242e615b305d", R"x({"a": [2, 3], "pad": "xxxxxxxxxxxxxxxxxxxx"})x"},
        Case{R"x(json_set(j,'$.a[99]',9))x",
             "000200380012000100130003000216000c23006170616403000d000501000502000503001478787878787878787878787878"
             "78787878787878",
             "0107242e615b39395d03050900", R"x({"a": [1, 2, 3, 9], "pad": "xxxxxxxxxxxxxxxxxxxx"})x"},
        Case{R"x(json_set(j,'$.a[last-3]',9))x",
             "000200380012000100130003000216000c23006170616403000d000501000502000503001478787878787878787878787878"
             "78787878787878",
             "010b242e615b6c6173742d335d03050900", R"x({"a": [9, 1, 2, 3], "pad": "xxxxxxxxxxxxxxxxxxxx"})x"},
        Case{R"x(json_replace(j,'$.a[last]',9))x",
             "000200380012000100130003000216000c23006170616403000d000501000502000503001478787878787878787878787878"
             "78787878787878",
             "0009242e615b6c6173745d03050900", R"x({"a": [1, 2, 9], "pad": "xxxxxxxxxxxxxxxxxxxx"})x"},
        Case{R"x(json_replace(j,'$.a[last].b.c','deep'))x",
             "000200500012000100130003000216000c3b006170616403002500050100050200000d00010018000b000100000c00620100"
             "0c000b00010005010063147878787878787878787878787878787878787878",
             "000d242e615b6c6173745d2e622e63060c0464656570",
             R"x({"a": [1, 2, {"b": {"c": "deep"}}], "pad": "xxxxxxxxxxxxxxxxxxxx"})x"},
        Case{R"x(json_set(j,'$.a[0].b[1]',null))x",
             "000200440012000100130003000016000c2f0061706164010019000b000100020c006203000d000501000502000503001478"
             "78787878787878787878787878787878787878",
             "0008242e612e625b315d020400", R"x({"a": {"b": [1, null, 3]}, "pad": "xxxxxxxxxxxxxxxxxxxx"})x"},
        Case{R"x(json_set(j,'$."q\\"u\\\\o\\t\\u0001 é"',1))x",
             "0002002b0012000100130003000501000c160061706164147878787878787878787878787878787878787878",
             "0116242e22715c22755c5c6f5c745c753030303120c3a92203050100",
             R"x({"a": 1, "pad": "xxxxxxxxxxxxxxxxxxxx", "q\"u\\o\t\u0001 é": 1})x"},
        Case{R"x(json_set(j,'$.é',1,'$.b',2,'$.""',3))x",
             "0003003400190001001a0002001c0003000501000502000c1f0061c3a9706164147878787878787878787878787878787878"
             "787878",
             "0004242ec3a9030501000103242e62030502000104242e222203050300",
             R"x({"": 3, "a": 1, "b": 2, "é": 1, "pad": "xxxxxxxxxxxxxxxxxxxx"})x"},
        Case{
            R"x(json_set(json_remove(json_set(j,'$.a.c',json_array(1)),'$.a.b'),'$.a.c[0]',json_array(),'$.a.c[0][0]',cast(1.50 as decimal(5,2))))x",
            "000200370012000100130003000016000c22006170616401000c000b00010005010062147878787878787878787878787878"
            "787878787878",
            "0105242e612e630802010007000501000205242e612e620008242e612e635b305d050200000400010b242e612e635b305d5b"
            "305d0a0ff6070b028000000132",
            R"x({"a": {"c": [[1.50]]}, "pad": "xxxxxxxxxxxxxxxxxxxx"})x"}));

// {"a": [1, 2, 3], "pad": "xxx"}
const std::string kBefore = unhex("000200270012000100130003000216000c23006170616403000d0005010005020005030003787878");

enum : char { kReplace, kInsert, kRemove };

std::string packed(std::size_t size) {
  if (size < 251) return {static_cast<char>(size)};
  return {'\xfc', static_cast<char>(size), static_cast<char>(size >> 8)};
}

std::string diff(char operation, std::string_view path, std::string_view value = {}) {
  std::string result = operation + packed(path.size());
  result += path;
  if (operation == kRemove) return result;
  return result.append(packed(value.size())).append(value);
}

const std::string kNine("\x05\x09\x00", 3), kNull("\x04\x00", 2);
// [[], 1]
const std::string kArray = unhex(
    "0202000e00020a000501000000"
    "0400");

TEST(JsonDiff, NoDiffIsTheSameDocument) {
  EXPECT_EQ(patch(kBefore, ""), R"({"a": [1, 2, 3], "pad": "xxx"})");
  EXPECT_EQ(patch("", ""), "null");
}

TEST(JsonDiff, EachSeesWhatThoseBeforeItLeft) {
  EXPECT_EQ(patch(kBefore, diff(kInsert, "$.a[1]", kArray) + diff(kReplace, "$.a[1][0]", kArray) +
                               diff(kRemove, "$.a[0]") + diff(kInsert, "$.a[0][0][0][7]", kNine) +
                               diff(kInsert, "$.b", kNull) + diff(kRemove, "$.pad")),
            R"({"a": [[[[9], 1], 1], 2, 3], "b": null})");
}

TEST(JsonDiff, KeysStayInTheServersOrder) {
  EXPECT_EQ(patch(kBefore, diff(kInsert, "$.\"\"", kNine) + diff(kInsert, "$.zz", kNine) + diff(kInsert, "$.b", kNine) +
                               diff(kInsert, "$.qad", kNine) + diff(kInsert, "$.oad", kNine)),
            R"({"": 9, "a": [1, 2, 3], "b": 9, "zz": 9, "oad": 9, "pad": "xxx", "qad": 9})");
}

TEST(JsonDiff, EveryEscapeOfAPath) {
  EXPECT_EQ(patch(kBefore, diff(kInsert, R"($."\b\f\n\r\t\"\\\/\u001f.[*")", kNine) + diff(kRemove, "$.a")),
            R"({"pad": "xxx", "\b\f\n\r\t\"\\/\u001f.[*": 9})");
}

TEST(JsonDiff, ManyInserts) {
  std::string diffs;
  for (int i = 0; i < 3000; ++i) diffs += diff(kInsert, "$.a[0]", kNull);
  std::string expected = R"({"a": [)";
  for (int i = 0; i < 3000; ++i) expected += "null, ";
  EXPECT_EQ(patch(kBefore, diffs), expected + R"(1, 2, 3], "pad": "xxx"})");
}

TEST(JsonDiff, NestsAHundredDeep) {
  auto nest = [](int times) {
    std::string diffs, path = "$.a";
    for (int i = 0; i < times; ++i) diffs += diff(kInsert, path += "[0]", kArray);
    return patch(kBefore, diffs);
  };
  // The object, the array and the array inside of the last insert are three more.
  EXPECT_EQ(nest(97).substr(0, 106), "{\"a\": " + std::string(99, '[') + "]");
  EXPECT_EQ(nest(98), "refused: a JSON document is nested more than 100 deep");
  EXPECT_EQ(nest(100), "refused: a JSON diff with a malformed path");
}

TEST(JsonDiff, ReplacesTheRoot) {
  EXPECT_EQ(patch(kBefore, diff(kReplace, "$", kArray) + diff(kReplace, "$[last]", kNine)), "[[], 9]");
}

TEST(JsonDiff, RefusesWhatCannotBe) {
  struct {
    std::string diffs, why;
  } const cases[] = {
      {diff(kReplace, "$.b", kNine), "the path of a JSON diff leads nowhere"},
      {diff(kReplace, "$.a[3]", kNine), "the path of a JSON diff leads nowhere"},
      {diff(kRemove, "$.a[last-3]"), "the path of a JSON diff leads nowhere"},
      {diff(kRemove, "$[0]"), "the path of a JSON diff leads nowhere"},
      {diff(kRemove, "$.a.b"), "the path of a JSON diff leads nowhere"},
      {diff(kRemove, "$.pad[0]"), "the path of a JSON diff enters a scalar"},
      {diff(kInsert, "$.pad[0]", kNine), "the path of a JSON diff enters a scalar"},
      {diff(kInsert, "$.a", kNine), "a JSON diff inserts a key that is there"},
      {diff(kInsert, "$[0]", kNine), "a JSON diff inserts into the wrong container"},
      {diff(kInsert, "$.a.b", kNine), "a JSON diff inserts into the wrong container"},
      {diff(kRemove, "$"), "a JSON diff inserts or removes the root"},
      {diff(kInsert, "$", kNine), "a JSON diff inserts or removes the root"},
      {diff('\x03', "$.a", kNine), "an unknown JSON diff"},
      {diff(kReplace, "$.a", kNine).substr(0, 8), "a JSON diff ends early"},
      {diff(kReplace, "$.a", kNine) + '\x02', "a JSON diff ends early"},
      {"\x02\xff$.a", "a JSON diff ends early"},
      {diff(kReplace, "$.pad", "\x0c\x02\xc3\x28"), "a JSON text is not UTF-8"},
      {diff(kReplace, "$.pad", "\x02\x01"), "a JSON container passes the end of what holds it"},
  };
  for (const auto& c : cases) EXPECT_EQ(patch(kBefore, c.diffs), "refused: " + c.why);
}

TEST(JsonDiff, RefusesMalformedPaths) {
  for (std::string_view path :
       {"",      "a",       "$a",         "$.",          "$..a",          "$.*",
        "$[*]",  "$**.a",   "$[",         "$[]",         "$[1",           "$[-1]",
        "$[+1]", "$[1 ]",   "$[last",     "$[last-]",    "$[last+1]",     "$[99999999999999999999]",
        "$.\"a", "$.\"a\\", "$.\"a\\x\"", "$.\"\\u00\"", "$.\"\\u12zz\"", "$.\"\\ud83d\"",
        "$.a*",  " $.a"}) {
    EXPECT_EQ(patch(kBefore, diff(kRemove, path)), "refused: a JSON diff with a malformed path") << path;
  }
}

TEST(JsonDiff, SaysWhenTheBeforeImageIsWrong) {
  std::string before = kBefore;
  before[7] = '\x01';  // the offset of the second key, in the entries
  EXPECT_EQ(patch(before, diff(kReplace, "$.b", kNine)).substr(0, 8), "refused:");
  before = kBefore.substr(0, kBefore.size() - 1);
  EXPECT_EQ(patch(before, diff(kRemove, "$.a")),
            "refused: a JSON container passes the end of what holds it, in the before-image");
}

}  // namespace
}  // namespace deltaforge::sources::mysql
