#include "config/template.h"

#include <gtest/gtest.h>

namespace deltaforge::config {
namespace {

using What = Template::What;

TEST(Template, KnowsEveryVariable) {
  const Template t(
      "${source.table}${source.db}${source.schema}${source.connector}${op}${tenant_id}${after.a}${before.b.c}");
  std::vector<What> kinds;
  for (const auto& part : t.parts()) kinds.push_back(part.what);
  EXPECT_EQ(kinds, (std::vector<What>{What::table, What::db, What::schema, What::connector, What::op, What::tenant_id,
                                      What::after, What::before}));
  EXPECT_EQ(t.parts().back().path, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(t.text(),
            "${source.table}${source.db}${source.schema}${source.connector}${op}${tenant_id}${after.a}${before.b.c}");
}

TEST(Template, TellsStaticOnes) {
  EXPECT_TRUE(Template("orders").is_static());
  EXPECT_TRUE(Template("").is_static());
  EXPECT_TRUE(Template("").empty());
  EXPECT_TRUE(Template("$${op}").is_static());
  EXPECT_FALSE(Template("${op}").is_static());
  EXPECT_FALSE(Template("a${op}").is_static());
}

TEST(Template, TextReadsBackAsTheSame) {
  for (const char* text : {"a$${b}$${", "$", "$ {", "${op}", "x${after.y}z$$1"}) {
    EXPECT_EQ(Template(text).text(), text);
    EXPECT_EQ(Template(Template(text).text()).parts(), Template(text).parts());
  }
}

TEST(TemplateDeathTest, AWrongOneInTheCodeAborts) {
  EXPECT_DEATH(Template("${after}"), "names no known variable");
  EXPECT_DEATH(Template("${HOME}"), "names no known variable");
  EXPECT_DEATH(Template("${op"), "names no known variable");
}

}  // namespace
}  // namespace deltaforge::config
