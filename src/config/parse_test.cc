#include "config/parse.h"

#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace deltaforge::config {
namespace {

ParseOptions no_environment() {
  return {[](std::string_view) { return std::nullopt; }, Expansion::everywhere};
}

std::vector<Document> parse_ok(std::string_view text) {
  Report report;
  auto documents = parse(text, "pipe.yaml", report, no_environment());
  EXPECT_EQ(report.text(), "");
  return documents;
}

std::string problems(std::string_view text) {
  Report report;
  parse(text, "p.yaml", report, no_environment());
  return report.text();
}

std::string repeat(std::string_view part, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += part;
  return out;
}

TEST(Parse, KeepsWhereEverythingStands) {
  const auto documents = parse_ok(R"(apiVersion: deltaforge/v1
spec:
  sinks:
    - type: redis
      config:
        stream: "orders"
        empty:
)");
  ASSERT_EQ(documents.size(), 1u);
  const Node& spec = *documents[0].root.find("spec");
  const Node& config = *spec.find("sinks")->children()[0].find("config");
  const Node& stream = *config.find("stream");
  EXPECT_TRUE(stream.is_scalar());
  EXPECT_TRUE(stream.quoted());
  EXPECT_EQ(stream.text(), "orders");
  EXPECT_EQ(stream.key(), "stream");
  EXPECT_EQ(stream.path(), "spec.sinks[0].config.stream");
  EXPECT_EQ(stream.file(), "pipe.yaml");
  EXPECT_EQ(stream.place(), (Place{6, 17}));
  EXPECT_EQ(stream.key_place(), (Place{6, 9}));
  EXPECT_EQ(config.place(), (Place{6, 9}));
  const Node& empty = *config.find("empty");
  EXPECT_TRUE(empty.is_null());
  EXPECT_EQ(empty.place(), (Place{7, 9}));
  EXPECT_EQ(config.find("nothing"), nullptr);
  EXPECT_EQ(stream.find("x"), nullptr);
}

TEST(Parse, JsonIsYaml) {
  const auto documents = parse_ok(R"({"spec": {"n": 1, "list": [true, null, "x"]}})");
  const Node& list = *documents[0].root.find("spec")->find("list");
  ASSERT_EQ(list.children().size(), 3u);
  EXPECT_EQ(list.children()[0].text(), "true");
  EXPECT_TRUE(list.children()[1].is_null());
  EXPECT_EQ(list.children()[2].path(), "spec.list[2]");
  EXPECT_EQ(list.children()[2].place(), (Place{1, 40}));
}

TEST(Parse, TakesSeveralDocumentsAndLeavesEmptyOnesOut) {
  const auto documents = parse_ok("---\na: 1\n---\n---\nb: 2\n---\n");
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_NE(documents[0].root.find("a"), nullptr);
  EXPECT_EQ(documents[1].root.find("b")->line(), 5);
}

TEST(Parse, AnAliasIsACopyWithThePathOfItsPlace) {
  const auto documents = parse_ok("a: &x {k: [1, {m: 2}]}\nb:\n  - *x\n");
  const Node& copy = documents[0].root.find("b")->children()[0];
  EXPECT_EQ(copy.find("k")->children()[1].find("m")->path(), "b[0].k[1].m");
  EXPECT_EQ(documents[0].root.find("a")->find("k")->path(), "a.k");
}

TEST(Parse, NodesOutliveTheTextAndTheTree) {
  Node kept;
  {
    const std::string text = "a: {b: deep}";
    kept = *parse_ok(text)[0].root.find("a")->find("b");
  }
  EXPECT_EQ(kept.text(), "deep");
  EXPECT_EQ(kept.file(), "pipe.yaml");
}

TEST(Parse, SyntaxErrorsHaveAPlace) {
  EXPECT_EQ(problems("a: [1, 2\nb: 3\n"), "p.yaml:2:2: syntax error: end of sequence flow not found\n");
  EXPECT_EQ(problems("a: 'x\n"), "p.yaml:2:2: syntax error: a quote is not closed before the end\n");
  EXPECT_EQ(problems("a: \"x\nb: 1"), "p.yaml:3:2: syntax error: a quote is not closed before the end\n");
  EXPECT_EQ(problems("a: |\n  x\n\n"), "");
  EXPECT_EQ(problems("a:\n\t- b\n"), "p.yaml:2:2: syntax error: a tab indents this line: use blanks\n");
}

TEST(Parse, WhatWasWholeBeforeASyntaxErrorIsReturned) {
  Report report;
  const auto documents = parse("a: 1\n---\nb: [\n", "p.yaml", report, no_environment());
  EXPECT_EQ(documents.size(), 1u);
  EXPECT_EQ(report.problems().size(), 1u);
}

TEST(Parse, EmptyTextIsAProblem) {
  EXPECT_EQ(problems(""), "p.yaml:1:1: no document in it\n");
  EXPECT_EQ(problems("# only a comment\n---\n"), "p.yaml:1:1: no document in it\n");
}

TEST(Parse, JsonIsReadAsItIsWritten) {
  const auto documents =
      parse_ok("{\n\t\"a\": \"\\ud83d\\uDE00 \\\\ud83d\\\\ude00 \\/ \\u00fc\",\"b\":[1,-2.5e3,true,null],\"c\":{}\n}");
  const Node& root = documents.at(0).root;
  EXPECT_EQ(root.find("a")->text(), "\U0001F600 \\ud83d\\ude00 / \u00fc");
  EXPECT_EQ(root.find("b")->children().size(), 4U);
  EXPECT_EQ(root.find("b")->children()[1].text(), "-2.5e3");
  EXPECT_TRUE(root.find("b")->children()[3].is_null());
  EXPECT_TRUE(root.find("c")->is_map());
  EXPECT_NE(problems(R"({"a": "\ud83d x"})").find("syntax error in JSON"), std::string::npos);
}

TEST(Parse, JsonKeepsWhereEverythingStands) {
  const auto documents = parse_ok("{\n  \"é\": [1.50, -2e3, true, null],\n  \"b\": {\"c\" : \"x\"}}\n");
  ASSERT_EQ(documents.size(), 1u);
  const Node& list = documents[0].root.children().at(0);
  EXPECT_EQ(list.key(), "é");
  EXPECT_EQ(list.key_place(), (Place{2, 3}));
  EXPECT_EQ(list.place(), (Place{2, 8}));
  ASSERT_EQ(list.children().size(), 4u);
  EXPECT_EQ(list.children()[0].text(), "1.50");
  EXPECT_EQ(list.children()[1].place(), (Place{2, 15}));
  EXPECT_FALSE(list.children()[2].quoted());
  EXPECT_TRUE(list.children()[3].is_null());
  const Node& c = *documents[0].root.find("b")->find("c");
  EXPECT_EQ(c.place(), (Place{3, 15}));
  EXPECT_TRUE(c.quoted());
  EXPECT_EQ(problems(R"({"a":1,"a":2})"), "p.yaml:1:8: a: duplicate key, first given at 1:2: remove one\n");
}

TEST(Parse, WhatLooksLikeJsonIsToldItsMistakeAsJson) {
  for (const auto& [text, place] : {std::pair{R"({"a":"b)", "1:"}, {"{\"a\":1,\n\"b\":[1,2}", "2:9"}}) {
    const std::string said = problems(text);
    EXPECT_TRUE(said.starts_with("p.yaml:" + std::string(place))) << text << "\n" << said;
    EXPECT_NE(said.find("syntax error in JSON: "), std::string::npos) << text << "\n" << said;
    EXPECT_EQ(said.find("last read"), std::string::npos) << said;
  }
  EXPECT_EQ(problems("{a: 1, b: [c, ]}"), "") << "YAML's brackets";
  for (const char* huge : {R"({"a":1e400})", R"({"a":[-1e400})"}) problems(huge);  // ends, one way or the other
}

TEST(Parse, DuplicateKeysNameBothPlaces) {
  EXPECT_EQ(problems("spec:\n  a: 1\n  b: 2\n  a: 3\n"),
            "p.yaml:4:3: a: duplicate key, first given at 2:3: remove one\n");
}

TEST(Parse, RefusesTagsMergesAndOddKeys) {
  EXPECT_NE(problems("a: !!binary aGk=").find("tags (!...) are not supported"), std::string::npos);
  EXPECT_NE(problems("a: !secret hunter2").find("tags (!...) are not supported"), std::string::npos);
  EXPECT_EQ(problems("a: !hunter2").find("hunter2"), std::string::npos);
  EXPECT_NE(problems("a: &x {b: 1}\nc:\n  <<: *x\n").find("merge keys (<<) are not supported"), std::string::npos);
  EXPECT_NE(problems("? [a, b]\n: 1\n").find("a key must be text, found a list"), std::string::npos);
  EXPECT_NE(problems("~: 1\n").find("a key must be text, found nothing"), std::string::npos);
}

TEST(Parse, AnUnknownAliasIsNotRepeated) {
  EXPECT_EQ(problems("password: *hunter2\n"),
            "p.yaml:1:11: syntax error: an alias (*name) without its anchor; quote the text if it starts with '*'\n");
}

TEST(Parse, RefusesWhatIsNotUtf8) {
  EXPECT_EQ(problems("a: 1\nb: \xff\n"), "p.yaml:2:4: not UTF-8 text: save the file as UTF-8\n");
  EXPECT_EQ(problems(std::string_view("a: \0", 4)), "p.yaml:1:4: not UTF-8 text: save the file as UTF-8\n");
  EXPECT_EQ(problems("a: \xc3\xa9\n"), "");
}

TEST(Parse, KeysCannotForgeLines) {
  EXPECT_EQ(problems("{\"a\\n\\e[31m\": {x: 1, x: 2}}").find("\n\x1b"), std::string::npos);
  EXPECT_NE(problems("{\"a\\nb\": {x: 1, x: 2}}").find("a\\x0ab.x: duplicate key"), std::string::npos);
}

TEST(Parse, ReadsFiles) {
  const std::string path = testing::TempDir() + "deltaforge_parse_test.yaml";
  std::ofstream(path) << "a: 1\n";
  Report report;
  EXPECT_EQ(parse_file(path, report).size(), 1u);
  EXPECT_TRUE(report.ok());
  std::remove(path.c_str());
  EXPECT_TRUE(parse_file(path, report).empty());
  EXPECT_EQ(report.text(), path + ":1:1: cannot read the file: No such file or directory\n");
}

TEST(Parse, AnEndlessFileEndsAtTheLimit) {
  Report report;
  parse_file("/dev/zero", report);
  EXPECT_EQ(report.text(), "/dev/zero:1:1: longer than the 1048576 bytes that are read: split the file\n");
}

TEST(Limits, DepthIsExact) {
  EXPECT_EQ(problems(repeat("[", 63) + "x" + repeat("]", 63)), "");
  EXPECT_NE(problems(repeat("[", 64) + "x" + repeat("]", 64)).find("nested deeper than 64 levels"), std::string::npos);
  // An alias counts with what is below it.
  const std::string half = repeat("[", 40) + "x" + repeat("]", 40);
  EXPECT_NE(problems("- &a " + half + "\n- " + repeat("[", 40) + "*a" + repeat("]", 40)).find("nested deeper"),
            std::string::npos);
}

TEST(Limits, ValuesAreCountedAfterAliasExpansion) {
  EXPECT_EQ(problems("[" + repeat("x,", kMaxNodes - 2) + "]"), "");
  EXPECT_NE(problems("[" + repeat("x,", kMaxNodes) + "]").find("more than 20000 values"), std::string::npos);
  const std::string big = "- &a " + std::string(300'000, 'x') + "\n";
  EXPECT_NE(problems(big + repeat("- *a\n", 10)).find("more than 1048576 bytes"), std::string::npos);
}

TEST(Limits, CyclesAreRefused) {
  EXPECT_NE(problems("&x [*x]").find("inside its own anchor"), std::string::npos);
  EXPECT_NE(problems("a: &x {b: {c: *x}}").find("inside its own anchor"), std::string::npos);
}

TEST(Limits, PathsOfDeepLongKeysStayShort) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "{" + std::string(1000, 'k') + ": ";
  const auto documents = parse_ok(text + "x" + repeat("}", 60));
  const Node* node = &documents[0].root;
  while (!node->children().empty()) node = &node->children()[0];
  EXPECT_LT(node->path().size(), 500u);
}

std::string alias_bomb() {
  std::string text = "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string name = std::to_string(i), before = "*a" + std::to_string(i - 1);
    text += "a" + name + ": &a" + name + " [" + repeat(before + ",", 8) + before + "]\n";
  }
  return text;
}

// Hostile texts end soon and with a problem, not with a crash. Sanitizer builds are slow, hence the generous limit.
TEST(Limits, HostileTextsEndSoon) {
  std::vector<std::string> hostile = {alias_bomb()};
  for (const char* part :
       {"[",     "{",     "- ",  "? ",   "[a: ",   "{a: ", "{? ", "? - ", "- - ? ",     "&a ",
        "!",     "!a ",   "' ",  "\"",   "a: ",    ": ",   "[{",  "- [",  "%TAG ! x\n", "%YAML 1.2\n",
        "---\n", "...\n", "*a ", "[&a ", "- &a\n", "?\n",  ":\n", "-\n"}) {
    hostile.push_back(repeat(part, 100'000));
  }
  for (const std::string& text : hostile) {
    const std::clock_t start = std::clock();
    EXPECT_NE(problems(text), "") << text.substr(0, 20);
    EXPECT_LT(std::clock() - start, 2 * CLOCKS_PER_SEC) << text.substr(0, 20);
  }
}

}  // namespace
}  // namespace deltaforge::config
