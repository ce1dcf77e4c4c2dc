#include "config/table_pattern.h"

#include <ctime>
#include <span>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace deltaforge::config {
namespace {

struct Case {
  const char* pattern;
  const char* qualifier;
  const char* table;
  bool any;        // a bare pattern stands for any qualifier
  bool in_public;  // a bare pattern stands for public
};

void expect_all(std::span<const Case> cases) {
  for (const Case& c : cases) {
    std::string why;
    const auto pattern = TablePattern::parse(c.pattern, why);
    ASSERT_TRUE(pattern) << c.pattern << ": " << why;
    EXPECT_EQ(pattern->matches(c.qualifier, c.table), c.any) << c.pattern << " on " << c.qualifier << "." << c.table;
    EXPECT_EQ(pattern->matches(c.qualifier, c.table, "public"), c.in_public)
        << c.pattern << " on " << c.qualifier << "." << c.table << ", bare = public";
    EXPECT_EQ(pattern->text(), c.pattern);
  }
}

TEST(TablePattern, WildcardsAndQualifiers) {
  const Case cases[] = {
      {"shop.orders", "shop", "orders", true, true},
      {"shop.orders", "shop", "orders2", false, false},
      {"shop.orders", "shop", "order", false, false},
      {"shop.orders", "shop2", "orders", false, false},
      {"shop.orders", "Shop", "orders", false, false},
      {"shop.*", "shop", "orders", true, true},
      {"shop.%", "shop", "orders", true, true},
      {"shop.%", "other", "orders", false, false},
      {"shop.order%", "shop", "order_items", true, true},
      {"shop.order%", "shop", "order", true, true},
      {"shop.order%", "shop", "my_order", false, false},
      {"shop.*_outbox", "shop", "orders_outbox", true, true},
      {"shop.*_outbox", "shop", "orders_outbox2", false, false},
      {"shop.a*b*c", "shop", "aXXbYYc", true, true},
      {"shop.a*b*c", "shop", "abc", true, true},
      {"shop.a*b*c", "shop", "acb", false, false},
      {"shop.ab*ba", "shop", "aba", false, false},
      {"shop.*ab*ab*", "shop", "ab", false, false},
      {"shop.*ab*ab*", "shop", "xabab", true, true},
      {"shop.**", "shop", "x", true, true},
      {"shop.a**%b", "shop", "ab", true, true},
      {"%.orders", "any", "orders", true, true},
      {"*.orders", "any", "orders", true, true},
      {"*.tmp", "shop", "tmp", true, true},
      {"*.tmp", "shop", "x.tmp", false, false},
      {"s*p.orders", "shop", "orders", true, true},
      {"orders", "shop", "orders", true, false},
      {"orders", "public", "orders", true, true},
      {"ord*", "shop", "orders", true, false},
      {"*", "shop", "orders", true, true},
      {"%", "shop", "orders", true, true},
      {"*.*", "shop", "orders", true, true},
      // `_` is itself.
      {"shop.a_b", "shop", "a_b", true, true},
      {"shop.a_b", "shop", "axb", false, false},
      // The first free dot splits; later ones belong to the table.
      {"shop.a.b", "shop", "a.b", true, true},
      {"we\\.ird.t", "we.ird", "t", true, true},
      {"we\\.ird", "shop", "we.ird", true, false},
  };
  expect_all(cases);
}

TEST(TablePattern, EscapesAndQuotes) {
  const Case cases[] = {
      {"shop.100\\%", "shop", "100%", true, true},
      {"shop.100\\%", "shop", "1000", false, false},
      {"shop.a\\*", "shop", "a*", true, true},
      {"shop.a\\*", "shop", "ab", false, false},
      {"shop.a\\**", "shop", "a*b", true, true},
      {"shop.a\\\\b", "shop", "a\\b", true, true},
      {"shop.a\\\"b", "shop", "a\"b", true, true},
      {"shop.\\a", "shop", "a", true, true},
      // Quoted parts are literal.
      {"\"We.ird\".t", "We.ird", "t", true, true},
      {"\"We.ird\".t", "We", "ird.t", false, false},
      {"\"a*\".t", "ab", "t", false, false},
      {"\"a*\".t", "a*", "t", true, true},
      {"shop.\"a\"\"b\"", "shop", "a\"b", true, true},
      {"shop.\"a\\b\"", "shop", "a\\b", true, true},
      {"shop.\"a.b\"", "shop", "a.b", true, true},
      {"\"a.b\"", "public", "a.b", true, true},
      {"\"*\"", "public", "orders", false, false},
      {"\"s\".*", "s", "x", true, true},
      {"caf\xc3\xa9.t", "caf\xc3\xa9", "t", true, true},
  };
  expect_all(cases);
}

TEST(TablePattern, SaysWhatIsMalformed) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "no table name"},
      {"shop.", "no table name"},
      {".orders", "nothing before the dot"},
      {"shop.a\\", "a backslash at the end: write \\\\ for a literal one"},
      {"\"shop.orders", "a double quote is not closed: close it, or write \\\" for a literal one"},
      {"\"shop\"x.orders",
       "text after the closing double quote: quote the whole name, or write \\\" for a literal quote"},
      {"shop.\"a\"*", "text after the closing double quote: quote the whole name, or write \\\" for a literal quote"},
      {"shop.a\"b\"", "a double quote inside a name: quote the whole name, or write \\\" for a literal one"},
      {"\"\".t", "an empty name between double quotes"},
  };
  for (const auto& [text, expected] : cases) {
    std::string why;
    EXPECT_FALSE(TablePattern::parse(text, why)) << text;
    EXPECT_EQ(why, expected) << text;
  }
}

TEST(TablePattern, OfANameADotIsADot) {
  const auto matches = [](std::string_view pattern, std::string_view name) {
    std::string why;
    const auto parsed = TablePattern::parse_name(pattern, why);
    return parsed && parsed->matches("", name);
  };
  EXPECT_TRUE(matches("doc.email", "doc.email"));
  EXPECT_TRUE(matches("doc.*", "doc.a.b"));
  EXPECT_TRUE(matches("*", "a.b"));
  EXPECT_TRUE(matches("\"a*\"", "a*"));
  EXPECT_FALSE(matches("doc.email", "email"));
  std::string why;
  EXPECT_FALSE(TablePattern::parse_name("", why));
  EXPECT_EQ(why, "an empty name");
  EXPECT_FALSE(TablePattern::parse_name("a\"b", why));
  EXPECT_NE(why, "");
}

TEST(TablePattern, KnowsItsQualifier) {
  EXPECT_TRUE(TablePattern("a.b").has_qualifier());
  EXPECT_FALSE(TablePattern("b").has_qualifier());
  EXPECT_FALSE(TablePattern("a\\.b").has_qualifier());
}

TEST(TablePattern, IsLinear) {
  std::string stars;
  for (int i = 0; i < 50'000; ++i) stars += "*a";
  const std::string name(200'000, 'a');
  const std::clock_t start = std::clock();
  EXPECT_TRUE(TablePattern(stars).matches("q", name));
  EXPECT_FALSE(TablePattern(stars + "*b").matches("q", name));
  EXPECT_TRUE(TablePattern(std::string(100'000, '*')).matches("q", name));
  EXPECT_FALSE(TablePattern("*" + std::string(50'000, 'a') + "b*").matches("q", name));
  EXPECT_LT(std::clock() - start, 2 * CLOCKS_PER_SEC);
}

TEST(TablePatternDeathTest, AMalformedOneInTheCodeAborts) { EXPECT_DEATH(TablePattern("a."), "malformed"); }

}  // namespace
}  // namespace deltaforge::config
