#include "encode/json_names.h"

#include <gtest/gtest.h>

namespace deltaforge::encode {
namespace {

TEST(JsonNames, OneTextForOneName) {
  JsonNames names;
  const auto written = [&](std::string_view name) {
    std::string to = "x";
    names.append(name, to);
    EXPECT_EQ(to[0], 'x');
    return to.substr(1);
  };
  EXPECT_EQ(written("plain ö"), "plain ö");
  EXPECT_EQ(written(R"(\u0078)"), "x");
  EXPECT_EQ(written(R"(gr\u00F6\u00dfe)"), "größe");
  EXPECT_EQ(written(R"(\ud83D\uDE00)"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(written(R"(a\/b)"), "a/b");
  EXPECT_EQ(written(R"(\u0022\u005c\u000a\u001F)"), R"(\"\\\n\u001f)");
  EXPECT_EQ(written(R"(\\u0078)"), R"(\\u0078)") << "a backslash, and a u";
  // Halves of characters.
  EXPECT_EQ(written(R"(\u0078\uD83D)"), R"(x\ud83d)");
  EXPECT_EQ(written(R"(\uD83D\u0078\ud83d\ude00\n\u00f6)"), "\\ud83dx\xF0\x9F\x98\x80\\nö");
  EXPECT_EQ(written(R"(\uDE00\uD83D)"), R"(\ude00\ud83d)");
  EXPECT_EQ(written(R"(\uD83D\\u0078)"), R"(\ud83d\\u0078)");
  // What is no JSON is not read beyond its end.
  for (const char* broken : {"\\", "\\u", "\\u00", "\\ud83d\\", "\\ud83d\\u", "\\ud83d\\ude0"}) written(broken);
}

}  // namespace
}  // namespace deltaforge::encode
