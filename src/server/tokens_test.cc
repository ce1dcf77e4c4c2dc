#include "server/tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace deltaforge::server {
namespace {

using ::testing::HasSubstr;

const std::string kAdmin = "admin-0123456789abcdef", kNext = "next-0123456789abcdef", kRead = "read-0123456789abcdef";

Tokens some() {
  Tokens tokens;
  tokens.add(Role::admin, kAdmin + "\r\n\n  " + kNext + "\t\n", "--api-token-file");
  tokens.add(Role::read, kRead, "--api-read-token-file");
  return tokens;
}

TEST(Tokens, EveryLineIsAToken) {
  Tokens tokens = some();
  EXPECT_EQ(tokens.role_of("Bearer " + kAdmin), Role::admin);
  EXPECT_EQ(tokens.role_of("Bearer " + kNext), Role::admin);
  EXPECT_EQ(tokens.role_of("bEARER   " + kRead + " "), Role::read);
  EXPECT_FALSE(tokens.empty());
  EXPECT_TRUE(Tokens().empty());
}

TEST(Tokens, AnythingElseHasNoRole) {
  Tokens tokens = some();
  for (const std::string& header :
       {std::string(), std::string("Bearer"), std::string("Bearer "), kAdmin, "Basic " + kAdmin, "Digest " + kAdmin,
        "Bearer" + kAdmin, "Bearer " + kAdmin.substr(0, kAdmin.size() - 1), "Bearer " + kAdmin + "x",
        "Bearer " + kAdmin + "\n" + kNext, "Bearer " + kAdmin + ", Bearer " + kNext, "Bearer \"" + kAdmin + "\""})
    EXPECT_EQ(tokens.role_of(header), Role::none) << header;
  EXPECT_EQ(Tokens().role_of("Bearer "), Role::none);
}

TEST(Tokens, OneTokenInBothRolesHasTheHigher) {
  Tokens tokens;
  tokens.add(Role::admin, kAdmin, "a");
  tokens.add(Role::read, kAdmin, "b");
  EXPECT_EQ(tokens.role_of("Bearer " + kAdmin), Role::admin);
}

TEST(Tokens, WhatCannotBeATokenIsRefusedWithItsSource) {
  const std::vector<std::pair<std::string, std::string>> kCases{
      {"0123456789abcde", "--x: the token in line 1 is too short"},
      {kAdmin + "\nshort\n", "--x: the token in line 2 is too short"},
      {"0123456789 abcdefgh", "--x: the token in line 1 holds a byte that is none of ASCII's signs"},
      {"0123456789abcdef\xc3\xa9", "--x: the token in line 1 holds a byte"},
      {std::string("0123456789abcdef\0x", 18), "--x: the token in line 1 holds a byte"},
      {"", "--x: it holds no token"},
      {" \n\r\n", "--x: it holds no token"}};
  for (const auto& [lines, expected] : kCases) {
    try {
      Tokens().add(Role::admin, lines, "--x");
      ADD_FAILURE() << expected;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      EXPECT_THAT(error.message(), HasSubstr(expected));
      EXPECT_THAT(error.hint(), HasSubstr("at least 16"));
    }
  }
  Tokens().add(Role::admin, "0123456789abcdef", "--x");  // 16
}

}  // namespace
}  // namespace deltaforge::server
