#include "base/hmac.h"

#include <gtest/gtest.h>

#include <string>

namespace deltaforge {
namespace {

std::string hex(const std::array<unsigned char, 32>& sum) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : sum) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

// RFC 4231, test cases 1, 2, 3, 6.
TEST(Hmac, IsWhatTheStandardSays) {
  const struct {
    std::string key, text;
    const char* sum;
  } cases[] = {
      {std::string(20, '\x0b'), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
  };
  for (const auto& [key, text, sum] : cases) {
    Hmac hmac(key);
    hmac.add(text);
    EXPECT_EQ(hex(hmac.finish()), sum) << text;
    hmac.add(std::string_view(text).substr(0, 3));
    hmac.add(std::string_view(text).substr(3));
    EXPECT_EQ(hex(hmac.finish()), sum) << "in parts, and once more";
  }
}

}  // namespace
}  // namespace deltaforge
