#include "server/request_guard.h"

#include <gtest/gtest.h>

namespace deltaforge::server {
namespace {

// "" when it passes, else the code.
std::string verdict(const std::string& origin, const std::string& host, bool loopback = true) {
  Request request{"GET", "/pipelines", {}};
  request.origin = origin;
  request.host = host;
  auto refused = refuse_foreign_page(request, loopback);
  if (!refused) return "";
  EXPECT_EQ(refused->status, 403);
  return refused->body.substr(9, refused->body.find('"', 9) - 9);
}

TEST(RequestGuard, OnLoopbackTheHostIsThisMachine) {
  for (const char* near : {"", "localhost", "LocalHost:8080", "127.0.0.1", "127.8.8.8:1", "[::1]", "[::1]:8080"})
    EXPECT_EQ(verdict("", near), "") << near;
  for (const char* far : {"attacker.example", "attacker.example:8080", "10.0.0.1", "localhost.attacker.example",
                          "localhost:x", "localhost:", "[::2]:80", "::1", "127.0.0.1.attacker.example", "0.0.0.0", " "})
    EXPECT_EQ(verdict("", far), "HOST_NOT_ALLOWED") << far;
  EXPECT_EQ(verdict("", "api.example:8080", false), "");
}

TEST(RequestGuard, AnOriginIsTheRequestsOwnHost) {
  EXPECT_EQ(verdict("http://localhost:8080", "localhost:8080"), "");
  EXPECT_EQ(verdict("https://API.example", "api.EXAMPLE", false), "");
  for (const char* other : {"http://attacker.example", "null", "http://localhost:3000", "http://localhost:8080.x",
                            "localhost:8080", "http://x@localhost:8080", "http://localhost:8080, http://a"})
    EXPECT_EQ(verdict(other, "localhost:8080"), "CROSS_SITE") << other;
  EXPECT_EQ(verdict("https://attacker.example", "api.example", false), "CROSS_SITE");
  EXPECT_EQ(verdict("null", "", false), "CROSS_SITE");
}

}  // namespace
}  // namespace deltaforge::server
