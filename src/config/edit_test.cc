#include "config/edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.h"

namespace deltaforge::config {
namespace {

using ::testing::HasSubstr;

Node tree(std::string_view text, const std::string& file = "base.yaml") {
  Report report;
  auto documents = parse(text, file, report);
  EXPECT_EQ(report.text(), "");
  return documents.at(0).root;
}

std::string merged(std::string_view base, std::string_view patch) {
  Report report;
  const Node result = merge(tree(base), tree(patch, "patch"), report);
  return report.ok() ? write(result) : report.text();
}

TEST(Merge, MapsByFieldAnythingElseAsAWhole) {
  EXPECT_EQ(merged("{a: 1, b: {c: 2, d: 3}}", "{b: {c: 4, e: 5}, f: 6}"),
            R"({"a": 1, "b": {"c": 4, "d": 3, "e": 5}, "f": 6})");
  EXPECT_EQ(merged("{a: [1, 2, 3]}", "{a: [4]}"), R"({"a": [4]})");
  EXPECT_EQ(merged("{a: {b: 1}}", "{a: text}"), R"({"a": text})");
  EXPECT_EQ(merged("{a: text}", "{a: {b: 1}}"), R"({"a": {"b": 1}})");
  EXPECT_EQ(merged("{a: 1, b: {c: 2}}", "{a: null, b: {c: ~, d: ~}}"), R"({"b": {}})");
}

TEST(Merge, EachValueStillSaysWhereItWasWritten) {
  Report report;
  const Node result = merge(tree("a: 1\nb: {c: 2}"), tree("b: {d: 3}", "patch"), report);
  EXPECT_EQ(result.find("b")->find("c")->file(), "base.yaml");
  EXPECT_EQ(result.find("b")->find("d")->file(), "patch");
  EXPECT_EQ(result.find("b")->find("d")->path(), "b.d");
}

TEST(Merge, WhatIsMaskedStaysAsItWas) {
  EXPECT_EQ(merged("{dsn: \"${DSN}\", x: 1}", "{dsn: '***', x: 2}"), R"({"dsn": "${DSN}", "x": 2})");
  EXPECT_EQ(merged("{uri: 'redis://u:secret@h/0'}", "{uri: 'redis://u:***@h/0'}"),
            R"({"uri": "redis://u:secret@h/0"})");
  const std::string sinks = "{sinks: [{config: {id: a, p: one}}, {config: {id: b, p: two}}]}";
  EXPECT_EQ(merged(sinks, "{sinks: [{config: {id: b, p: '***', q: 1}}, {config: {id: a, p: '***'}}]}"),
            R"({"sinks": [{"config": {"id": b, "p": two, "q": 1}}, {"config": {"id": a, "p": one}}]})");
  EXPECT_EQ(merged("{l: [one, two]}", "{l: [three, '***']}"), R"({"l": [three, two]})");
}

TEST(Merge, AMaskOverNothingIsAProblem) {
  for (const char* patch :
       {"{b: '***'}", "{a: '***x'}", "{a: [1, '***']}", "{s: [{config: {id: new, a: '***'}}]}", "{m: {a: '***'}}"}) {
    EXPECT_THAT(merged("{a: text, m: 1, s: [{config: {id: old, a: 1}}]}", patch), HasSubstr("write the value itself"))
        << patch;
  }
  EXPECT_THAT(merged("{uri: 'redis://u:secret@h/0'}", "{uri: 'redis://u:***@other/0'}"),
              HasSubstr("patch:1:7: uri: *** stands for a value"));
}

TEST(Write, ParsesToTheSameTree) {
  for (const char* text :
       {"a: 1", "a: '1'", "a: +5\nb: .5\nc: 1e3\nd: -1\ne: 0x1F\nf: 1_000", "a: ${N:-5}\nb: \"${N}\"",
        "a: null\nb: 'null'\nc: ~", "a: []\nb: {}\nc: [[], {}]", "'a: b': \"x: y\"", "a: -x\nb: x-",
        "a: |\n  two\n  lines\nb: ' # no comment '", "a: \"tab\\t quote\\\" back\\\\ \\x01 \\u00fc\"",
        "a: true\nb: 'true'\nc: yes", "a: '<<'\n'<<': 1", "ä: ö\nb: \"\\u2028 \\U0001F600\""}) {
    const Node first = tree(text);
    const std::string line = write(first);
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    const Node second = tree(line);
    EXPECT_EQ(write(second), line);
    const auto same = [](const Node& a, const Node& b, auto& self) -> bool {
      if (a.kind() != b.kind() || a.key() != b.key() || a.text() != b.text() || a.path() != b.path()) return false;
      if (a.children().size() != b.children().size()) return false;
      for (std::size_t i = 0; i < a.children().size(); ++i)
        if (!self(a.children()[i], b.children()[i], self)) return false;
      return true;
    };
    EXPECT_TRUE(same(first, second, same)) << text << " -> " << line;
  }
}

}  // namespace
}  // namespace deltaforge::config
