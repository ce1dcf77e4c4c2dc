#include "encode/destination.h"

#include <gtest/gtest.h>

namespace deltaforge::encode {
namespace {

TEST(Destination, NamesOfStrangersAreRefused) {
  for (const char* good : {"a", "shop.orders", "a-b_c/d:e", "\xC3\xA9"})
    EXPECT_EQ(destination_problem(good), "") << good;
  for (const char* bad : {"", ".a", "a.", "a..b", "a b", "a*", ">", "a\n", "\x7f", "\x01"})
    EXPECT_NE(destination_problem(bad), "") << bad;
  EXPECT_EQ(destination_problem(std::string(65'535, 'a')), "");
  EXPECT_NE(destination_problem(std::string(65'536, 'a')), "");
}

TEST(Destination, TemplatesThatNoEventCanMendAreKnown) {
  for (const char* good : {"", "a", "${op}", "a.${op}", "${op}.${tenant_id}", "${op}${op}", "a:${op}/"})
    EXPECT_EQ(template_problem(config::Template(good)), "") << good;
  for (const char* bad :
       {"a..${op}", ".${op}", "${op}.", "${op}..${op}", "a b${op}", "${op}*", "${op}.>", "a\n${op}", "a b", "a.*"})
    EXPECT_NE(template_problem(config::Template(bad)), "") << bad;
  EXPECT_EQ(template_problem(config::Template("a ${op}")), "it has a blank");
}

TEST(Destination, WhatAProcessorSaidWins) {
  const Destination fixed(config::Template("orders"), "", "topic"),
      named(config::Template("t.${after.x}"), "", "topic");
  TableSchema schema;
  Event event;
  event.schema = &schema;
  Slab out;
  EXPECT_TRUE(fixed.is_fixed(event));
  EXPECT_EQ(fixed.append(event, out), "");
  EXPECT_EQ(named.append(event, out), "the event has no value for ${after.x} in `topic`");
  Extra extra;
  extra.topic = "own";
  event.extra = &extra;
  EXPECT_FALSE(fixed.is_fixed(event));
  EXPECT_EQ(fixed.append(event, out), "");
  EXPECT_EQ(named.append(event, out), "");
  EXPECT_EQ(out.view(), "ordersownown");
  extra.topic = "a b";
  EXPECT_NE(fixed.append(event, out), "");
  EXPECT_EQ(out.view(), "ordersownown");
  EXPECT_EQ(shape_of(config::Template("a.${after.x}${op}")), "a.xx");
}

}  // namespace
}  // namespace deltaforge::encode
