#include "sinks/redis/resp.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace deltaforge::sinks::redis {
namespace {

// Replies as "type:text" or "type:number", fed in pieces of this size; a failure ends the list as "!why".
std::vector<std::string> read(std::string_view bytes, std::size_t piece) {
  static constexpr const char* kTypes = "+-:$_*";
  ReplyReader reader;
  std::vector<std::string> found;
  while (!bytes.empty() && reader.failure().empty()) {
    const auto space = reader.space();
    const std::size_t size = std::min({piece, bytes.size(), space.size()});
    EXPECT_GT(size, 0u);
    std::memcpy(space.data(), bytes.data(), size);
    reader.filled(size);
    bytes.remove_prefix(size);
    while (auto reply = reader.next()) {
      std::string text(1, kTypes[static_cast<int>(reply->type)]);
      text += reply->text;
      if (reply->type == Reply::Type::integer || reply->type == Reply::Type::array)
        text += std::to_string(reply->number);
      found.push_back(text);
    }
  }
  if (!reader.failure().empty()) found.push_back("!" + std::string(reader.failure()));
  return found;
}

using Found = std::vector<std::string>;

TEST(Resp, EveryTypeInAnyPieces) {
  const std::string bytes =
      "+OK\r\n-ERR no\r\n:42\r\n:-1\r\n$5\r\nab\r\nc\r\n$0\r\n\r\n$-1\r\n*-1\r\n*2\r\n$1\r\nx\r\n-WRONGTYPE "
      "y\r\n*0\r\n+\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece)
    EXPECT_EQ(read(bytes, piece), (Found{"+OK", "-ERR no", ":42", ":-1", "$ab\r\nc", "$", "_", "_", "*2", "$x",
                                         "-WRONGTYPE y", "*0", "+"}));
}

TEST(Resp, ManyRepliesPassThroughABoundedBuffer) {
  std::string bytes;
  Found expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string text(static_cast<std::size_t>(i * 7 % 300), 'v');
    bytes += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
    expected.push_back("$" + text);
  }
  for (std::size_t piece : {777u, 65536u, 1000000u}) EXPECT_EQ(read(bytes, piece), expected);
  const std::string longest(ReplyReader::kLongestReply - 40, 'x');
  bytes = "+a\r\n$" + std::to_string(longest.size()) + "\r\n" + longest + "\r\n+b\r\n";
  for (std::size_t piece : {1000u, 1000000u}) EXPECT_EQ(read(bytes, piece), (Found{"+a", "$" + longest, "+b"}));
}

TEST(Resp, WhatIsNoReplyFails) {
  for (const char* bad : {"HTTP/1.1 400 Bad Request\r\n", "+OK\n", "\r\n", "\n", "$x\r\n", "$\r\n", "$-2\r\n",
                          "$99999999999\r\n", "$100000\r\n", "$1\r\nabc\r\n", "*1048577\r\n", "*-2\r\n", ":1x\r\n",
                          ":\r\n", "%1\r\n", "$99999999999999999999999\r\n"})
    EXPECT_EQ(read(bad, 1000).back()[0], '!') << bad;
  EXPECT_EQ(read("+" + std::string(100'000, 'x'), 1000).back()[0], '!');
  EXPECT_EQ(read("+" + std::string(100'000, 'x') + "\r\n", 1'000'000).back()[0], '!');
}

// Whatever comes: it ends, in bounds (the sanitizers look).
TEST(Resp, NoiseIsReadInBounds) {
  std::mt19937 random(1);
  const std::string_view letters = "+-:$*0123456789\r\n\r\n\r\nabc";
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (std::size_t i = random() % 60; i > 0; --i) bytes += letters[random() % letters.size()];
    read(bytes, 1 + random() % 20);
  }
}

}  // namespace
}  // namespace deltaforge::sinks::redis
