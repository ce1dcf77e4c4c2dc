// The catalogue's answer, which the server makes and our own state repeats.
#include "sources/postgres/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace deltaforge::sources::postgres {
namespace {

using ::testing::ElementsAre;

TEST(CatalogueFacts, WhatIsNullStaysUnknown) {
  RelationFacts facts = parse_facts(
      R"({"types":[{"oid":"16500","base":23,"element":null,"delimiter":null}],"names":["small",null],"key":null,)"
      R"("ancestors":[["public","root"]]})");
  ASSERT_EQ(facts.types.size(), 1u);
  EXPECT_EQ(facts.types[0].oid, 16500u);
  EXPECT_EQ(facts.types[0].base, 23u);
  EXPECT_THAT(facts.column_types, ElementsAre("small", ""));
  EXPECT_TRUE(facts.key.empty());
}

TEST(CatalogueFacts, WhatMakesNoSenseIsAnError) {
  for (const char* text :
       {"", "[", "7", "[]", R"({"types":[{"oid":"x"}]})", R"({"types":[{"oid":[]}]})", R"({"types":[{"oid":7e65}]})",
        R"({"types":[{"oid":-1}]})", R"({"types":[{"oid":"99999999999999999999"}]})", R"({"key":[7]})",
        R"({"ancestors":[["a"]]})", R"({"ancestors":[7]})"})
    EXPECT_THROW(parse_facts(text), Error) << text;
}

}  // namespace
}  // namespace deltaforge::sources::postgres
