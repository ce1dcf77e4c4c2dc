#include "encode/json_writer.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"

namespace deltaforge::encode {
namespace {

std::string write(const Value& value) {
  static Slab slab;
  slab.truncate(0);
  slab.append("before");
  {
    JsonWriter json(slab);
    if (!json.value(value)) return "refused";
    json.commit();
  }
  return std::string(slab.view().substr(6));
}

std::string text(std::string_view t) { return write(Value::of_text(Kind::text, t)); }

TEST(JsonWriter, Scalars) {
  EXPECT_EQ(write(Value::null()), "null");
  EXPECT_EQ(write(Value::unchanged()), R"({"_unchanged":true})");
  EXPECT_EQ(write(Value::boolean(true)), "true");
  EXPECT_EQ(write(Value::boolean(false)), "false");
  EXPECT_EQ(write(Value::int64(std::numeric_limits<std::int64_t>::min())), "-9223372036854775808");
  EXPECT_EQ(write(Value::uint64(std::numeric_limits<std::uint64_t>::max())), "18446744073709551615");
  EXPECT_EQ(write(Value::of_text(Kind::decimal, "12.3400")), R"("12.3400")");
  EXPECT_EQ(write(Value::of_text(Kind::timestamp, "2024-02-29T12:00:00.5Z")), R"("2024-02-29T12:00:00.5Z")");
}

TEST(JsonWriter, FloatsAreShortestAndKeepTheirPoint) {
  const std::pair<double, std::string> doubles[] = {{0.0, "0.0"},
                                                    {-0.0, "-0.0"},
                                                    {1.0, "1.0"},
                                                    {-1.0, "-1.0"},
                                                    {0.1, "0.1"},
                                                    {100000.0, "100000.0"},
                                                    {1e15, "1000000000000000.0"},
                                                    {1e16, "1e+16"},
                                                    {1e20, "1e+20"},
                                                    {0.00001, "0.00001"},
                                                    {0.000001, "1e-06"},
                                                    {1.5e300, "1.5e+300"},
                                                    {5e-324, "5e-324"},
                                                    {1.7976931348623157e308, "1.7976931348623157e+308"},
                                                    {9007199254740993.0, "9007199254740992.0"},
                                                    {0.30000000000000004, "0.30000000000000004"}};
  for (const auto& [number, expected] : doubles) EXPECT_EQ(write(Value::float64(number)), expected);
  EXPECT_EQ(write(Value::float32(0.1f)), "0.1");
  EXPECT_EQ(write(Value::float32(16777216.0f)), "16777216.0");
  EXPECT_EQ(write(Value::float32(3.4028235e38f)), "3.4028235e+38");
  EXPECT_EQ(write(Value::float32(1e-45f)), "1e-45");
}

TEST(JsonWriter, FloatsReadBackAsTheSameNumber) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    double number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    std::string json = write(Value::float64(number));
    EXPECT_EQ(std::strtod(json.c_str(), nullptr), number) << json;
    EXPECT_EQ(nlohmann::json::parse(json).get<double>(), number) << json;
  }
}

TEST(JsonWriter, StringsAreEscaped) {
  EXPECT_EQ(text(""), R"("")");
  EXPECT_EQ(text("plain"), R"("plain")");
  EXPECT_EQ(text("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(text("\b\f\n\r\t"), R"("\b\f\n\r\t")");
  EXPECT_EQ(text(std::string("\0\x01\x1f\x7f", 4)), "\"\\u0000\\u0001\\u001f\x7f\"");
  EXPECT_EQ(text("Заказ — 注文 🦊"), "\"Заказ — 注文 🦊\"");
}

// Every special byte at every offset of a block, in texts of every small length.
TEST(JsonWriter, StringsOfEveryLengthReadBack) {
  const std::string specials[] = {"\"", "\\", "\n", "\x01", "é", "注", "🦊"};
  for (std::size_t length = 0; length < 70; ++length) {
    for (const std::string& special : specials) {
      for (std::size_t at = 0; at <= length; ++at) {
        std::string input = std::string(at, 'a') + special + std::string(length - at, 'b');
        std::string json = text(input);
        ASSERT_EQ(nlohmann::json::parse(json).get<std::string>(), input);
      }
    }
  }
}

TEST(JsonWriter, LargeTextsAreWrittenInPieces) {
  std::string input;
  for (int i = 0; i < 300'000; ++i) input += "\x01é\n"[i % 4];
  EXPECT_EQ(nlohmann::json::parse(text(input)).get<std::string>(), input);
  std::string plain(1 << 20, 'x');
  EXPECT_EQ(text(plain), '"' + plain + '"');
}

TEST(JsonWriter, InvalidUtf8IsRefused) {
  const std::string invalid[] = {"\x80",
                                 "\xC3",
                                 "\xC3(",
                                 "\xC0\xAF",
                                 "\xE0\x80\xAF",
                                 "\xED\xA0\x80",
                                 "\xF0\x8F\x80\x80",
                                 "\xF4\x90\x80\x80",
                                 "\xF8\x88\x80\x80\x80",
                                 "\xE2\x82",
                                 "\xF0\x9F\xA6",
                                 "\xFF"};
  for (const std::string& bad : invalid) {
    for (std::size_t before : {0, 5, 15, 16, 33}) {
      std::string input = std::string(before, 'a') + bad;
      EXPECT_EQ(text(input), "refused") << before;
      EXPECT_EQ(text(input + std::string(40, 'z')), "refused") << before;
      EXPECT_EQ(utf8_prefix(input), before);
      EXPECT_EQ(write(Value::of_text(Kind::json, '"' + input + '"')), "refused");
    }
  }
}

TEST(JsonWriter, ARefusedEventLeavesTheSlabAsItWas) {
  Slab slab;
  slab.append("kept");
  {
    JsonWriter json(slab);
    for (int i = 0; i < 100'000; ++i) json.raw("0123456789");
    EXPECT_FALSE(json.string("\xFF"));
  }
  EXPECT_EQ(slab.view(), "kept");
}

TEST(JsonWriter, Base64) {
  EXPECT_EQ(write(Value::of_text(Kind::bytes, "")), R"({"_base64":""})");
  EXPECT_EQ(write(Value::of_text(Kind::bytes, "f")), R"({"_base64":"Zg=="})");
  EXPECT_EQ(write(Value::of_text(Kind::bytes, "fo")), R"({"_base64":"Zm8="})");
  EXPECT_EQ(write(Value::of_text(Kind::bytes, "foo")), R"({"_base64":"Zm9v"})");
  EXPECT_EQ(write(Value::of_text(Kind::bytes, "foobar")), R"({"_base64":"Zm9vYmFy"})");
  EXPECT_EQ(write(Value::of_text(Kind::bytes, std::string_view("\xff\xfe\0", 3))), R"({"_base64":"//4A"})");
}

TEST(JsonWriter, JsonStaysOnOneLine) {
  EXPECT_EQ(write(Value::of_text(Kind::json, "{\n  \"a\" :\r\n1e5, \"n\\n\":\t2}")), "{   \"a\" :  1e5, \"n\\n\":\t2}");
}

TEST(JsonWriter, Arrays) {
  EXPECT_EQ(write(Value::array({})), "[]");
  std::vector<Value> inner = {Value::int64(1), Value::null()};
  std::vector<Value> items = {Value::array(inner), Value::of_text(Kind::text, "x,"), Value::array({}),
                              Value::of_text(Kind::bytes, "f")};
  EXPECT_EQ(write(Value::array(items)), R"([[1,null],"x,",[],{"_base64":"Zg=="}])");
}

// The bracket must find its comma wherever the slab had to grow.
TEST(JsonWriter, ClosesListsAtEveryFill) {
  for (std::size_t fill = 65'500; fill < 65'560; ++fill) {
    Slab slab;
    JsonWriter json(slab);
    json.raw('[');
    ASSERT_TRUE(json.string(std::string(fill, 'x')));
    json.raw(',');
    json.close(']');
    json.commit();
    EXPECT_EQ(slab.view().substr(slab.size() - 2), "\"]");
  }
}

}  // namespace
}  // namespace deltaforge::encode
