#include "config/redact.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "config/echo.h"

namespace deltaforge::config {
namespace {

TEST(Redact, KnowsSecretNames) {
  for (const char* name :
       {"password", "sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.jaas.config", "auth_token",
        "Authorization", "X-Api-Key", "aws_secret_access_key", "Cookie", "sslpassword", "passphrase"}) {
    EXPECT_TRUE(names_secret(name)) << name;
  }
  for (const char* name :
       {"linger.ms", "ssl.key.location", "sasl.mechanism", "sasl.username", "key", "compression.type"}) {
    EXPECT_FALSE(names_secret(name)) << name;
  }
}

TEST(Redact, MasksPasswords) {
  const std::pair<const char*, const char*> cases[] = {
      {"postgres://u:p@h/db", "postgres://u:***@h/db"},
      {"postgres://u:p@h1:1,h2:2/db?x=y", "postgres://u:***@h1:1,h2:2/db?x=y"},
      {"postgres://u:p/q?r@s@h/db", "postgres://u:***@h/db"},
      {"postgres://u:p@q@h/db", "postgres://u:***@h/db"},
      {"nats://token@h:4222", "nats://***@h:4222"},
      {"nats://a:b@h1,nats://c:d@h2", "nats://a:***@h1,nats://c:***@h2"},
      {"http://h:80/a@b", "http://h:80/a@b"},
      {"http://h/p", "http://h/p"},
      {"redis://:p@h", "redis://:***@h"},
      {"http://h/?token=abc&x=1", "http://h/?token=***&x=1"},
      {"host=h password=p dbname=d", "host=h password=*** dbname=d"},
      {"host=h password = 'a \\' b' dbname=d", "host=h password = *** dbname=d"},
      {"password=", "password=***"},
      {"a=b", "a=b"},
      {"", ""},
      {"plain", "plain"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(mask_secrets(text), expected) << text;
}

TEST(Echo, WritesOrderedJson) {
  Echo echo;
  echo.begin_map();
  echo.key("z");
  echo.begin_list();
  echo.number(std::int64_t{-1});
  echo.number(1.5);
  echo.boolean(false);
  echo.null();
  echo.begin_map();
  echo.end_map();
  echo.begin_list();
  echo.end_list();
  echo.string("x");
  echo.end_list();
  echo.key("a");
  echo.secret(false);
  echo.key("b");
  echo.secret(true);
  echo.end_map();
  EXPECT_EQ(echo.text(), R"({"z":[-1,1.5,false,null,{},[],"x"],"a":"***","b":""})");
}

TEST(Echo, AnyBytesGiveValidJson) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  Echo echo;
  echo.string(all + "\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_TRUE(nlohmann::json::accept(echo.text())) << echo.text();
}

}  // namespace
}  // namespace deltaforge::config
