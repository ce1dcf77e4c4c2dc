#include "server/cli.h"

#include <gtest/gtest.h>

#include <sstream>

namespace deltaforge::server {
namespace {

struct Parsed {
  Command command;
  std::string out, err;
};

Parsed parse(std::vector<const char*> arguments, std::string_view rust_log = "") {
  arguments.insert(arguments.begin(), "deltaforge");
  std::ostringstream out, err;
  Command command = parse_command_line(static_cast<int>(arguments.size()), arguments.data(), rust_log, out, err);
  return {std::move(command), out.str(), err.str()};
}

TEST(Cli, DefaultsListenOnThisMachineOnly) {
  RunOptions run = parse({"run", "--config", "pipe.yaml"}).command.run;
  EXPECT_EQ(run.config, "pipe.yaml");
  EXPECT_EQ(run.api.to_string(), "127.0.0.1:8080");
  EXPECT_EQ(run.metrics.to_string(), "127.0.0.1:9000");
  EXPECT_FALSE(run.insecure_listen);
  EXPECT_FALSE(run.backend);
  EXPECT_FALSE(run.storage_path);
  EXPECT_EQ(run.log_format, obs::Format::json);
  EXPECT_EQ(run.log_level, obs::Level::info);
  EXPECT_EQ(run.shutdown_timeout, std::chrono::seconds(25));
}

TEST(Cli, WithoutACommandItRuns) {
  Parsed parsed = parse({"--config", "dir", "--api-addr", "[::1]:1", "--metrics-addr", "0.0.0.0:0", "--storage-backend",
                         "memory", "--storage-path", "x.db", "--require-state", "--log-format", "text", "--log-level",
                         "debug", "--shutdown-timeout", "1500ms"});
  EXPECT_EQ(parsed.command.verb, Command::Verb::run);
  const RunOptions& run = parsed.command.run;
  EXPECT_EQ(run.config, "dir");
  EXPECT_EQ(run.api.host, "::1");
  EXPECT_EQ(run.metrics.port, 0);
  EXPECT_EQ(run.backend, Backend::memory);
  EXPECT_EQ(run.storage_path, "x.db");
  EXPECT_TRUE(run.require_state);
  EXPECT_EQ(run.log_format, obs::Format::text);
  EXPECT_EQ(run.log_level, obs::Level::debug);
  EXPECT_EQ(run.shutdown_timeout, std::chrono::milliseconds(1500));
}

TEST(Cli, ProtectionOfTheApi) {
  RunOptions run =
      parse({"--api-token-file", "t", "--api-read-token-file", "r", "--api-tls-cert", "c", "--api-tls-key", "k"})
          .command.run;
  EXPECT_EQ(run.api_token_file, "t");
  EXPECT_EQ(run.api_read_token_file, "r");
  EXPECT_EQ(run.api_tls_cert, "c");
  EXPECT_EQ(run.api_tls_key, "k");
  EXPECT_EQ(parse({"--api-tls-cert", "c"}).command.exit_code, kUsage);
  EXPECT_NE(parse({"--api-tls-key", "k"}).err.find("--api-tls-key requires --api-tls-cert"), std::string::npos);
}

TEST(Cli, ValidateTakesFiles) {
  Command command = parse({"validate", "a.yaml", "dir"}).command;
  EXPECT_EQ(command.verb, Command::Verb::validate);
  EXPECT_EQ(command.files, (std::vector<std::string>{"a.yaml", "dir"}));
  EXPECT_EQ(parse({"validate", "--config", "a.yaml"}).command.files, (std::vector<std::string>{"a.yaml"}));
  EXPECT_EQ(parse({"validate"}).command.exit_code, kUsage);
}

TEST(Cli, HealthTakesTheFlagsOfRun) {
  EXPECT_EQ(parse({"health"}).command.verb, Command::Verb::health);
  Command command = parse({"health", "--api-addr", "127.0.0.1:9", "--api-tls-cert", "c", "--api-tls-key", "k"}).command;
  EXPECT_EQ(command.run.api.to_string(), "127.0.0.1:9");
  EXPECT_EQ(command.run.api_tls_cert, "c");
}

// So that the flags of an image or a unit can be overridden by appending.
TEST(Cli, OfAFlagThatStandsTwiceTheLastCounts) {
  EXPECT_EQ(parse({"--api-addr", "0.0.0.0:1", "run", "--api-addr", "[::1]:2"}).command.run.api.to_string(), "[::1]:2");
  EXPECT_EQ(parse({"--api-addr", "nowhere", "--api-addr", "[::1]:2"}).command.exit_code, kUsage);
  EXPECT_EQ(parse({"--config", "a", "--config", "b"}).command.exit_code, kUsage) << "one would be left out in silence";
}

TEST(Cli, PlanTakesFilesAndTheStorageOfARun) {
  Command command = parse({"plan", "a.yaml", "dir", "--offline", "--storage-path", "x.db", "--json"}).command;
  EXPECT_EQ(command.verb, Command::Verb::plan);
  EXPECT_EQ(command.files, (std::vector<std::string>{"a.yaml", "dir"}));
  EXPECT_TRUE(command.plan.offline && command.plan.json);
  EXPECT_EQ(command.run.storage_path, "x.db");
  EXPECT_FALSE(parse({"plan", "a.yaml"}).command.plan.offline);
  EXPECT_EQ(parse({"plan"}).command.exit_code, kUsage);
  EXPECT_EQ(parse({"validate", "a.yaml", "--offline"}).command.exit_code, kUsage);
}

TEST(Cli, Version) {
  EXPECT_EQ(parse({"version"}).command.verb, Command::Verb::version);
  EXPECT_EQ(parse({"schema"}).command.verb, Command::Verb::schema);
  EXPECT_EQ(parse({"schema", "--output", "s.json"}).command.output, "s.json");
  EXPECT_EQ(parse({"schema", "s.json"}).command.exit_code, kUsage);
  EXPECT_EQ(parse({"--version"}).command.verb, Command::Verb::version);
}

TEST(Cli, HelpIsNoError) {
  Parsed parsed = parse({"--help"});
  EXPECT_EQ(parsed.command.verb, Command::Verb::nothing);
  EXPECT_EQ(parsed.command.exit_code, kDone);
  EXPECT_NE(parsed.out.find("--shutdown-timeout"), std::string::npos);
}

TEST(Cli, WrongUsageIsExitCode2AndSaysWhatIsWrong) {
  const std::vector<std::pair<std::vector<const char*>, std::string>> kCases{
      {{"--api-addr", "nowhere"}, "--api-addr: 'nowhere' is not an address like 127.0.0.1:8080"},
      {{"--metrics-addr", "127.0.0.1:70000"}, "'127.0.0.1:70000' is not an address"},
      {{"--storage-backend", "redis"}, "'redis' is not one of sqlite, memory"},
      {{"--log-level", "loud"}, "'loud' is not one of trace, debug, info, warn, error"},
      {{"--shutdown-timeout", "soon"}, "'soon' is not a time"},
      {{"--confg", "x"}, "--confg"},
      {{"walk"}, "walk"},
  };
  for (const auto& [arguments, expected] : kCases) {
    Parsed parsed = parse(arguments);
    EXPECT_EQ(parsed.command.verb, Command::Verb::nothing) << expected;
    EXPECT_EQ(parsed.command.exit_code, kUsage) << expected;
    EXPECT_NE(parsed.err.find(expected), std::string::npos) << parsed.err;
  }
}

TEST(Cli, RustLogIsTheLevelUnlessTheFlagSaysOtherwise) {
  EXPECT_EQ(parse({"run"}, "debug").command.run.log_level, obs::Level::debug);
  EXPECT_EQ(parse({"run"}, "deltaforge=trace,sources=info,warn").command.run.log_level, obs::Level::trace);
  EXPECT_EQ(parse({"run"}, "hyper=info,warn").command.run.log_level, obs::Level::warn);
  EXPECT_EQ(parse({"run"}, "nonsense").command.run.log_level, obs::Level::info);
  EXPECT_EQ(parse({"run", "--log-level", "error"}, "debug").command.run.log_level, obs::Level::error);
}

TEST(Cli, Durations) {
  EXPECT_EQ(parse_duration("25"), std::chrono::seconds(25));
  EXPECT_EQ(parse_duration("25s"), std::chrono::seconds(25));
  EXPECT_EQ(parse_duration("2m"), std::chrono::minutes(2));
  EXPECT_EQ(parse_duration("0"), std::chrono::seconds(0));
  for (const char* wrong : {"", "s", "-1", "1h", "1 s", "99999999999"}) EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

TEST(Address, Parse) {
  EXPECT_EQ(Address::parse("localhost:80")->host, "localhost");
  EXPECT_EQ(Address::parse("[::]:80")->to_string(), "[::]:80");
  for (const char* wrong : {"", ":80", "host", "host:", "host:x", "host:65536", "::1:80", "host:-1"})
    EXPECT_FALSE(Address::parse(wrong)) << wrong;
}

TEST(Address, Loopback) {
  for (const char* near : {"127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1"})
    EXPECT_TRUE(Address::parse(near)->loopback()) << near;
  for (const char* far : {"0.0.0.0:1", "10.0.0.1:1", "[::]:1", "example:1", "127.1:1"})
    EXPECT_FALSE(Address::parse(far)->loopback()) << far;
}

}  // namespace
}  // namespace deltaforge::server
