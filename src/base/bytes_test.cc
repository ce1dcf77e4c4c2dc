#include "base/bytes.h"

#include <gtest/gtest.h>

namespace deltaforge {
namespace {

TEST(ByteReader, ReadsBigEndianNumbersAndText) {
  ByteReader reader(
      as_bytes(std::string_view("\x01\x02\x03\xff\xff\xff\xfe"
                                "abc\0z",
                                12)));
  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.i32(), -2);
  EXPECT_EQ(reader.c_string(), "abc");
  EXPECT_EQ(reader.text(1), "z");
  EXPECT_EQ(reader.left(), 0u);
  EXPECT_TRUE(reader.ok());
}

TEST(ByteReader, FailsOnceAndForAll) {
  ByteReader reader(as_bytes("ab"));
  EXPECT_EQ(reader.u32(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_EQ(reader.text(1), "");
  EXPECT_EQ(reader.offset(), 0u);
}

TEST(ByteReader, CStringWithoutEndFails) {
  ByteReader reader(as_bytes("never ends"));
  EXPECT_EQ(reader.c_string(), "");
  EXPECT_FALSE(reader.ok());
  ByteReader empty(Bytes{});
  EXPECT_EQ(empty.c_string(), "");
  EXPECT_FALSE(empty.ok());
}

}  // namespace
}  // namespace deltaforge
