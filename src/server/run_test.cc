#include "server/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "server/http_server.h"
#include "storage/sqlite_store.h"

namespace deltaforge::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class RunTest : public ::testing::Test {
 protected:
  RunTest() {
    std::string pattern = (fs::temp_directory_path() / "df-run-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    options_.api = options_.metrics = {"127.0.0.1", 0};
    options_.storage_path = (directory_ / "state" / "deltaforge.db").string();
    options_.log_level = obs::Level::error;
  }
  ~RunTest() override { fs::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    return (directory_ / name).string();
  }

  fs::path directory_;
  StopSignals signals_;
  RunOptions options_;
  std::ostringstream out_, err_;
};

const std::string kGood =
    "metadata: {name: shop, tenant: acme}\n"
    "spec:\n"
    "  source: {type: postgres, config: {id: pg, dsn: 'postgres://u@127.0.0.1/shop', slot: s, publication: p}}\n"
    "  sinks: [{type: blackhole, config: {}}]\n";
const std::string kBad = "metadata: {name: shop2, tenant: acme}\nspec: {sinks: []}\n";

TEST_F(RunTest, ASignalDrainsAndIsNoError) {
  kill(getpid(), SIGTERM);  // waits in the signalfd until run() looks
  EXPECT_EQ(run(options_, signals_, err_), kDone);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(RunTest, NothingValidIsExitCode1AndPrintsAllOfIt) {
  options_.config = write("bad.yaml", kBad);
  EXPECT_EQ(run(options_, signals_, err_), kInvalid);
  EXPECT_THAT(err_.str(), HasSubstr("bad.yaml:2:7: source: required field is missing"));
  EXPECT_THAT(err_.str(), HasSubstr("bad.yaml:2:15: sinks: required field is empty"));
  EXPECT_FALSE(fs::exists(directory_ / "state")) << "a wrong configuration leaves no trace";
}

TEST_F(RunTest, AWrongStorageSectionIsExitCode1) {
  options_.config = write("good.yaml", kGood + "storage: {backend: postgres}\n");
  EXPECT_EQ(run(options_, signals_, err_), kInvalid);
  EXPECT_THAT(err_.str(), HasSubstr("good.yaml:5:20: storage.backend: not in this build"));
}

TEST_F(RunTest, UnusableTokensOrCertificatesAreExitCode1) {
  const std::string short_one = write("short", "secret-x"), token = write("token", "0123456789abcdef0123456789abcdef");
  fs::permissions(short_one, fs::perms::owner_read);
  fs::permissions(token, fs::perms::owner_read);
  const std::vector<std::pair<std::function<void()>, std::string>> kCases{
      {[&] { options_.api_token_file = (directory_ / "none").string(); }, "--api-token-file"},
      {[&] { options_.api_read_token_file = short_one; }, "--api-read-token-file: the token in line 1 is too short"},
      {[&] { options_.api_token = config::Secret("secret-x"); }, "DELTAFORGE_API_TOKEN: the token"},
      {[&] { options_.api_read_token = config::Secret(""); }, "DELTAFORGE_API_READ_TOKEN: it holds no token"},
      {[&] { options_.api_tls_cert = options_.api_tls_key = token; }, "--api-tls-cert"}};
  const RunOptions sound = options_;
  for (const auto& [spoil, expected] : kCases) {
    options_ = sound;
    spoil();
    obs::flush_log();
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(run(options_, signals_, err_), kInvalid) << expected;
    obs::flush_log();
    std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr(expected));
    EXPECT_EQ(log.find("secret-x"), std::string::npos) << log;
  }
  EXPECT_FALSE(fs::exists(directory_ / "state")) << "before anything starts";
}

TEST_F(RunTest, LockedStateIsExitCode3) {
  storage::SqliteStore other({*options_.storage_path, false});
  EXPECT_EQ(run(options_, signals_, err_), kState);
}

TEST_F(RunTest, LostStateIsExitCode3) {
  options_.require_state = true;
  EXPECT_EQ(run(options_, signals_, err_), kState);
}

TEST_F(RunTest, ATakenAddressIsExitCode1) {
  HttpServer other(options_.api, "--api-addr", [](const Request&) { return Response{}; });
  options_.metrics.port = other.port();
  EXPECT_EQ(run(options_, signals_, err_), kInvalid);
}

TEST_F(RunTest, ValidatePrintsGoodAndBad) {
  std::string good = write("a.yaml", kGood), bad = write("b.yaml", kBad);
  EXPECT_EQ(validate({good, bad}, out_, err_), kInvalid);
  EXPECT_EQ(out_.str(), good + ": shop: ok\n");
  EXPECT_THAT(err_.str(), HasSubstr(good + ":4:37: sinks[0].config: warning: no id, 'blackhole-0' is used"));
  EXPECT_THAT(err_.str(), HasSubstr(bad + ":2:15: sinks: required field is empty\n"));
  EXPECT_EQ(validate({good}, out_, err_), kDone);
}

TEST_F(RunTest, SignalsAreTakenOneByOne) {
  EXPECT_FALSE(signals_.wait(-1, std::chrono::milliseconds(1)));
  kill(getpid(), SIGINT);
  EXPECT_TRUE(signals_.wait());
  EXPECT_FALSE(signals_.wait(-1, std::chrono::milliseconds(1)));
  WakeFd done;
  done.signal();
  EXPECT_FALSE(signals_.wait(done.fd())) << "readable, but no signal";
  raise(SIGPIPE);  // ignored
}

TEST(Process, NoCoreDumps) {
  switch_off_core_dumps();
  rlimit limit{1, 1};
  ASSERT_EQ(getrlimit(RLIMIT_CORE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, 0U);
  EXPECT_EQ(prctl(PR_GET_DUMPABLE), 0);
}

}  // namespace
}  // namespace deltaforge::server
