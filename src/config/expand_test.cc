#include "config/expand.h"

#include <cstdlib>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "config/parse.h"

namespace deltaforge::config {
namespace {

std::optional<std::string> fake(std::string_view name) {
  static const std::map<std::string, std::string, std::less<>> kValues = {
      {"HOST", "db.local"},
      {"EMPTY", ""},
      {"PASSWORD", "hunter2"},
      {"_X9", "under"},
      {"lower", "no"},
      {"NESTED", "${HOST}"},
      {"YAML", "x\nb: [1, {c: 2}]"},
      {"VAR", "${after.id}"},
      {"LONG", std::string(kMaxBytes, 'x')},
  };
  const auto found = kValues.find(name);
  if (found == kValues.end()) return std::nullopt;
  return found->second;
}

Node value(const std::string& scalar, Expansion expansion = Expansion::everywhere) {
  std::string escaped;
  for (const char c : scalar) escaped += c == '\'' ? "''" : std::string(1, c);
  Report report;
  auto documents = parse("v: '" + escaped + "'", "p.yaml", report, {fake, expansion});
  EXPECT_EQ(report.text(), "");
  return *documents.at(0).root.find("v");
}

std::string expanded(const std::string& text) {
  Report report;
  auto result = expand(value(text), false, report);
  EXPECT_EQ(report.text(), "");
  return result.value_or("(nothing)");
}

std::string refused(const std::string& text, bool secret = false, Expansion expansion = Expansion::everywhere) {
  Report report;
  EXPECT_FALSE(expand(value(text, expansion), secret, report)) << text;
  return report.text();
}

std::string templated(const std::string& text) {
  Report report;
  auto result = expand_template(value(text), report);
  return result ? result->text() : report.text();
}

TEST(Expand, ReplacesNames) {
  EXPECT_EQ(expanded("${HOST}"), "db.local");
  EXPECT_EQ(expanded("a-${HOST}-${_X9}-z"), "a-db.local-under-z");
  EXPECT_EQ(expanded("${EMPTY}"), "");
  EXPECT_EQ(expanded(""), "");
}

TEST(Expand, TakesDefaults) {
  EXPECT_EQ(expanded("${NONE:-fallback}"), "fallback");
  EXPECT_EQ(expanded("${NONE:-}"), "");
  EXPECT_EQ(expanded("${EMPTY:-fallback}"), "fallback");
  EXPECT_EQ(expanded("${HOST:-fallback}"), "db.local");
  EXPECT_EQ(expanded("${NONE:-a:-b}"), "a:-b");
  EXPECT_EQ(expanded("${NONE:-postgres://u@h:1/d}"), "postgres://u@h:1/d");
}

TEST(Expand, LeavesEverythingElseAsItIs) {
  EXPECT_EQ(expanded("$HOST $$ $ {HOST} $(HOST) }"), "$HOST $$ $ {HOST} $(HOST) }");
  EXPECT_EQ(expanded("$${HOST}"), "${HOST}");
  EXPECT_EQ(expanded("$$${HOST}"), "$${HOST}");
  EXPECT_EQ(expanded("$${"), "${");
  EXPECT_EQ(expanded("100$"), "100$");
}

TEST(Expand, ValuesAreNeitherParsedNorExpandedAgain) {
  EXPECT_EQ(expanded("${YAML}"), "x\nb: [1, {c: 2}]");
  EXPECT_EQ(expanded("${NESTED}"), "${HOST}");
}

TEST(Expand, NamesWhatIsWrong) {
  EXPECT_EQ(refused("${NONE}"),
            "p.yaml:1:4: v: environment variable NONE is not set: set it, or write '${NONE:-default}'\n");
  EXPECT_EQ(refused("${lower}"),
            "p.yaml:1:4: v: '${lower}' is no environment name ([A-Z_][A-Z0-9_]*): write '$${' for a literal '${'\n");
  EXPECT_EQ(refused("${}"),
            "p.yaml:1:4: v: '${}' is no environment name ([A-Z_][A-Z0-9_]*): write '$${' for a literal '${'\n");
  EXPECT_EQ(refused("${after.id}"),
            "p.yaml:1:4: v: '${after.id}' is a template variable, but this field takes no template\n");
  EXPECT_EQ(refused("a ${HOST"), "p.yaml:1:4: v: '${' without its '}': close it, or write '$${' for a literal '${'\n");
}

TEST(Expand, ReportsEveryNameOfOneScalar) {
  Report report;
  expand(value("${A}${HOST}${B}"), false, report);
  EXPECT_EQ(report.problems().size(), 2u);
}

TEST(Expand, ASecretsOwnTextIsNotRepeated) {
  EXPECT_EQ(refused("${hunter2}", true).find("hunter2"), std::string::npos);
  EXPECT_EQ(refused("${NONE}${hunter2:-x}", true).find("hunter2"), std::string::npos);
  EXPECT_EQ(refused("hunter2${NONE}", true).find("hunter2"), std::string::npos);
}

TEST(Expand, InARequestOnlySecretsAreExpanded) {
  Report report;
  EXPECT_EQ(expand(value("${PASSWORD}", Expansion::secrets_only), true, report), "hunter2");
  EXPECT_EQ(expand(value("$${PASSWORD}", Expansion::secrets_only), false, report), "${PASSWORD}");
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(
      refused("${PASSWORD}", false, Expansion::secrets_only),
      "p.yaml:1:4: v: '${PASSWORD}' is expanded in secret fields only when it comes in a request: write the value "
      "itself, or '$${' for a literal '${'\n");
  EXPECT_FALSE(expand_template(value("${PASSWORD}", Expansion::secrets_only), report));
}

TEST(Expand, CannotGrowWithoutBound) {
  EXPECT_EQ(refused("${LONG}${LONG}${LONG}"),
            "p.yaml:1:4: v: longer than 1048576 bytes with its environment variables\n");
}

TEST(Expand, TheProcessEnvironmentIsTheDefault) {
  const char* path = std::getenv("PATH");
  ASSERT_NE(path, nullptr);
  EXPECT_EQ(process_environment()("PATH"), path);
  EXPECT_EQ(process_environment()("DELTAFORGE_NO_SUCH_NAME"), std::nullopt);
}

TEST(ExpandTemplate, KeepsVariablesAndReplacesNames) {
  Report report;
  const auto result = expand_template(value("${HOST}.${source.db}.x-${after.a.b.c.d}"), report);
  ASSERT_TRUE(result) << report.text();
  using What = Template::What;
  const std::vector<Template::Part> expected = {{What::literal, "db.local.", {}},
                                                {What::db, "", {}},
                                                {What::literal, ".x-", {}},
                                                {What::after, "a.b.c.d", {"a", "b", "c", "d"}}};
  EXPECT_EQ(result->parts(), expected);
  EXPECT_EQ(templated("${NONE:-dflt}.${op}"), "dflt.${op}");
}

TEST(ExpandTemplate, AValueCannotBringVariablesIn) {
  Report report;
  const auto result = expand_template(value("${VAR}$${op}"), report);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->is_static());
  EXPECT_EQ(result->parts().at(0).text, "${after.id}${op}");
  EXPECT_EQ(result->text(), "$${after.id}$${op}");
}

TEST(ExpandTemplate, TheSetIsClosed) {
  const std::string tail =
      ": use one of " + std::string(Template::kVariables) + ", or an environment variable in upper case\n";
  for (const char* name :
       {"source.tabel", "after", "after.", "before..x", "after.x.", "table", "sourceXtable", "", "OP "}) {
    const std::string reference = std::string("'${") + name + "}'";
    EXPECT_EQ(templated(std::string("x${") + name + "}"),
              "p.yaml:1:4: v: " + reference + " is no template variable" + tail);
  }
  EXPECT_EQ(templated("${NONE}"),
            "p.yaml:1:4: v: environment variable NONE is not set: set it, or write '${NONE:-default}'\n");
  EXPECT_EQ(templated("${op:-c}"), "p.yaml:1:4: v: '${op}' takes no default: only environment variables do\n");
}

}  // namespace
}  // namespace deltaforge::config
