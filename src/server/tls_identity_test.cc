#include "server/tls_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "server/http_server.h"

namespace deltaforge::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class TlsIdentityTest : public ::testing::Test {
 protected:
  TlsIdentityTest() {
    std::string pattern = (fs::temp_directory_path() / "df-tls-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    for (const char* name : {"a", "b"})
      shell(
          "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -keyout " +
          std::string(name) + ".key -out " + name + ".crt");
  }
  ~TlsIdentityTest() override { fs::remove_all(directory_); }

  void shell(const std::string& command) {
    ASSERT_EQ(std::system(("cd " + directory_.string() + " && " + command + " > log 2>&1").c_str()), 0) << command;
  }
  std::string file(const std::string& name) { return (directory_ / name).string(); }
  std::string why_not(const std::string& certificate, const std::string& key) {
    try {
      load_tls_identity(file(certificate), file(key));
      return "loaded";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      return error.message();
    }
  }
  fs::path directory_;
};

TEST_F(TlsIdentityTest, APairIsLoaded) {
  TlsIdentity identity = load_tls_identity(file("a.crt"), file("a.key"));
  EXPECT_THAT(identity.certificates, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_THAT(identity.key, HasSubstr("PRIVATE KEY"));
  HttpServer server(
      {"127.0.0.1", 0}, "--api-addr", [](const Request&) { return Response{}; }, identity);
  EXPECT_NE(server.port(), 0);
}

TEST_F(TlsIdentityTest, WhatIsNoPairIsNamed) {
  shell("openssl pkey -in a.key -aes128 -passout pass:x -out locked.key && chmod 600 locked.key");
  shell("cp a.key open.key && chmod 644 open.key && echo nothing > empty && chmod 600 empty");
  EXPECT_THAT(why_not("none", "a.key"), HasSubstr("reading --api-tls-cert " + file("none") + ": No such file"));
  EXPECT_THAT(why_not("a.crt", "none"), HasSubstr("reading --api-tls-key " + file("none") + ": No such file"));
  EXPECT_THAT(why_not("empty", "a.key"), HasSubstr("--api-tls-cert " + file("empty") + ": no PEM certificate in it"));
  EXPECT_THAT(why_not("a.crt", "empty"),
              HasSubstr("--api-tls-key " + file("empty") + ": no unencrypted PEM private key"));
  EXPECT_THAT(why_not("a.crt", "locked.key"), HasSubstr("no unencrypted PEM private key"));
  EXPECT_THAT(why_not("a.crt", "b.key"), HasSubstr("the key does not belong to the certificate in " + file("a.crt")));
  EXPECT_THAT(why_not("a.crt", "open.key"), HasSubstr("every user may read"));
  EXPECT_EQ(why_not("b.crt", "b.key"), "loaded");
}

}  // namespace
}  // namespace deltaforge::server
