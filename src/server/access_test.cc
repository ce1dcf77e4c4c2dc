#include "server/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deltaforge::server {
namespace {

using ::testing::HasSubstr;

const std::string kAdmin = "admin-0123456789abcdef", kRead = "read-0123456789abcdef";

Tokens both() {
  Tokens tokens;
  tokens.add(Role::admin, kAdmin, "test");
  tokens.add(Role::read, kRead, "test");
  return tokens;
}

int status(const Access& access, const std::string& token, const std::string& method, const std::string& path = "/x") {
  Request request{method, path, {}};
  request.authorization = token.empty() ? "" : "Bearer " + token;
  auto refused = access.refusal(request);
  return refused ? refused->status : 200;
}

TEST(Access, WithoutTokensItDependsOnWhoCanReachIt) {
  const Request post{"POST", "/x", {}};
  EXPECT_EQ(Access({}, Reach::this_machine).role_of(post), Role::admin);
  EXPECT_EQ(Access({}, Reach::others_opened).role_of(post), Role::admin);
  EXPECT_EQ(Access({}, Reach::others).role_of(post), Role::none);
  EXPECT_FALSE(Access({}, Reach::this_machine).refusal(post));
  auto refused = Access({}, Reach::others).refusal(post);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 401);
  EXPECT_EQ(refused->challenge, "Bearer");
  EXPECT_THAT(refused->body, HasSubstr("--api-token-file"));
}

TEST(Access, WithTokensEverybodyNeedsOne) {
  for (Reach reach : {Reach::this_machine, Reach::others, Reach::others_opened}) {
    Access access(both(), reach);
    for (const char* method : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"}) {
      bool reads = method == std::string("GET") || method == std::string("HEAD");
      EXPECT_EQ(status(access, "", method), 401) << method;
      EXPECT_EQ(status(access, "wrong", method), 401) << method;
      EXPECT_EQ(status(access, kRead, method), reads ? 200 : 403) << method;
      EXPECT_EQ(status(access, kAdmin, method), 200) << method;
    }
  }
}

TEST(Access, AReaderMayValidate) {
  Access access(both(), Reach::others);
  EXPECT_EQ(status(access, kRead, "POST", "/validate"), 200);
  EXPECT_EQ(status(access, kRead, "DELETE", "/validate"), 403);
  EXPECT_EQ(status(access, kRead, "POST", "/validate/x"), 403);
}

TEST(Access, ForeignPagesAreRefusedWhateverTheirToken) {
  Request request{"GET", "/x", {}};
  request.authorization = "Bearer " + kAdmin;
  request.host = "attacker.example";
  EXPECT_EQ(Access(both(), Reach::this_machine).refusal(request)->status, 403);
  EXPECT_FALSE(Access(both(), Reach::others).refusal(request));
}

}  // namespace
}  // namespace deltaforge::server
