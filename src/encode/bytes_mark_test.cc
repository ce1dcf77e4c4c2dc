#include "encode/bytes_mark.h"

#include <gtest/gtest.h>

#include <string>

namespace deltaforge::encode {
namespace {

TEST(BytesMark, OnlyTheOneMemberCounts) {
  for (const std::string mark : {R"({"_base64":""})", R"({"_base64":"AQ=="})"}) {
    EXPECT_TRUE(is_bytes_mark(mark)) << mark;
    EXPECT_EQ(bytes_mark_size(mark + R"(,"b":1})"), mark.size()) << mark;
    EXPECT_FALSE(is_bytes_mark(mark + " ")) << mark;
  }
  EXPECT_EQ(base64_of(R"({"_base64":"AQ=="})"), "AQ==");
  for (const char* other : {"", "{}", R"({"_base64":"x","b":1})", R"({"_base64":7})", R"({"_base64":"\"}","b":1})",
                            R"({"_base64":"x)", R"({"_base64":"x")", R"({"_base64":")", R"({"_base64x":"x"})"}) {
    EXPECT_FALSE(is_bytes_mark(other)) << other;
    EXPECT_EQ(bytes_mark_size(other), 0U) << other;
  }
}

}  // namespace
}  // namespace deltaforge::encode
