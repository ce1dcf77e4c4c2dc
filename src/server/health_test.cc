#include "server/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "server/cli.h"
#include "server/http_server.h"

namespace deltaforge::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Asked {
  int code;
  std::string out, err;
};

Asked ask(std::uint16_t port, const std::string& certificate = {}) {
  std::ostringstream out, err;
  const int code = health({"127.0.0.1", port}, certificate, out, err, std::chrono::seconds(1));
  return {code, out.str(), err.str()};
}

Handler answering(int status, std::string body) {
  return [=](const Request& request) { return request.path == "/health" ? Response{status, body} : Response{500}; };
}

TEST(Health, FollowsTheAnswer) {
  HttpServer well({"127.0.0.1", 0}, "--api-addr", answering(200, R"({"status":"healthy"})"));
  EXPECT_EQ(ask(well.port()).code, kDone);
  EXPECT_EQ(ask(well.port()).out, "{\"status\":\"healthy\"}\n");
  HttpServer ill({"127.0.0.1", 0}, "--api-addr", answering(503, R"({"failed_pipelines":["p"]})"));
  EXPECT_EQ(ask(ill.port()).code, kInvalid);
  EXPECT_THAT(ask(ill.port()).out, HasSubstr(R"("p")"));
}

TEST(Health, NobodyThereIsUnhealthyWithTheRemedy) {
  std::uint16_t port = 0;
  {
    HttpServer gone({"127.0.0.1", 0}, "--api-addr", answering(200, ""));
    port = gone.port();
  }
  EXPECT_EQ(ask(port).code, kInvalid);
  EXPECT_THAT(ask(port).err, HasSubstr("Connection refused (is it running, and is this its --api-addr?)"));
}

TEST(Health, WhoeverDoesNotAnswerIsNotWaitedForLong) {
  const Fd silent = listen_on({"127.0.0.1", 0}, "--api-addr");
  EXPECT_EQ(ask(local_port(silent)).code, kInvalid);
  EXPECT_THAT(ask(local_port(silent)).err, HasSubstr("no answer in time"));
}

TEST(Health, WithTlsTheCertificateIsTheEnginesOwn) {
  std::string directory = (fs::temp_directory_path() / "df-health-XXXXXX").string();
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  for (const std::string name : {"a", "b"}) {
    const std::string command = "cd " + directory +
                                " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
                                " -nodes -days 2 -subj /CN=elsewhere -keyout " +
                                name + ".key -out " + name + ".crt > log 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  {
    HttpServer server({"127.0.0.1", 0}, "--api-addr", answering(200, "{}"),
                      load_tls_identity(directory + "/a.crt", directory + "/a.key"));
    EXPECT_EQ(ask(server.port(), directory + "/a.crt").code, kDone);
    EXPECT_THAT(ask(server.port(), directory + "/b.crt").err, HasSubstr("another certificate"));
    EXPECT_THAT(ask(server.port(), directory + "/none").err, HasSubstr("No such file"));
    EXPECT_EQ(ask(server.port()).code, kInvalid) << "plain HTTP to a TLS listener";
  }
  HttpServer plain({"127.0.0.1", 0}, "--api-addr", answering(200, "{}"));
  EXPECT_THAT(ask(plain.port(), directory + "/a.crt").err, HasSubstr("no TLS is spoken there"));
  fs::remove_all(directory);
}

}  // namespace
}  // namespace deltaforge::server
