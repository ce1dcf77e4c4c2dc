#include "server/cli.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>

namespace deltaforge::server {

namespace {

constexpr std::string_view kAbout =
    "DeltaForge: change data capture.\n"
    "Exit codes: 0 done or drained, 1 invalid configuration, 2 usage, 3 state locked or lost, 4 not drained in time.";

const std::map<std::string, Backend> kBackends{
    {"sqlite", Backend::sqlite}, {"memory", Backend::memory}, {"postgres", Backend::postgres}};

CLI::Validator checked(const std::string& what, bool (*fits)(const std::string&)) {
  return {[what, fits](std::string& text) { return fits(text) ? std::string() : "'" + text + "' is not " + what; }, ""};
}

// The options of `run`, as text until all of it has been accepted.
struct Texts {
  std::string api, metrics, backend, path, dsn, format, level, timeout;
};

void add_run_options(CLI::App& app, RunOptions& run, Texts& texts) {
  auto address = checked("an address like 127.0.0.1:8080",
                         [](const std::string& text) { return Address::parse(text).has_value(); });
  auto duration = checked("a time like 25 or 25s or 500ms",
                          [](const std::string& text) { return parse_duration(text).has_value(); });
  auto level = checked("one of trace, debug, info, warn, error",
                       [](const std::string& text) { return parse_log_level(text).has_value(); });
  auto backend = checked("one of sqlite, memory", [](const std::string& text) { return kBackends.contains(text); });
  auto format = checked("one of json, text", [](const std::string& text) { return text == "json" || text == "text"; });
  app.add_option("-c,--config", run.config, "Pipeline file, or a directory of them")->type_name("PATH");
  app.add_option("--api-addr", texts.api, "REST API")->check(address)->type_name("HOST:PORT=127.0.0.1:8080");
  app.add_option("--metrics-addr", texts.metrics, "Prometheus metrics")
      ->check(address)
      ->type_name("HOST:PORT=127.0.0.1:9000");
  app.add_flag("--insecure-listen", run.insecure_listen, "Open the API to other machines without a token");
  app.add_option("--api-token-file", run.api_token_file,
                 "Tokens that may everything, one a line; or DELTAFORGE_API_TOKEN in the environment")
      ->type_name("PATH");
  app.add_option("--api-read-token-file", run.api_read_token_file,
                 "Tokens that may only read; or DELTAFORGE_API_READ_TOKEN")
      ->type_name("PATH");
  auto* cert = app.add_option("--api-tls-cert", run.api_tls_cert, "PEM certificate of the API: it speaks TLS then")
                   ->type_name("PATH");
  auto* key = app.add_option("--api-tls-key", run.api_tls_key, "PEM private key of that")->type_name("PATH");
  cert->needs(key);
  key->needs(cert);
  app.add_option("--storage-backend", texts.backend, "Where positions are kept")
      ->check(backend)
      ->type_name("sqlite|memory=sqlite");
  app.add_option("--storage-path", texts.path, "Database of the sqlite backend")
      ->type_name("PATH=./data/deltaforge.db");
  app.add_option("--storage-dsn", texts.dsn, "Database of the postgres backend")->group("");
  app.add_option("--key-file", run.key_file, "Key of the specs that are kept in the state")
      ->type_name("PATH=secret.key beside the database");
  app.add_flag("--require-state", run.require_state, "Refuse to start when there is no state yet");
  app.add_option("--log-format", texts.format, "Of the log on stderr")->check(format)->type_name("json|text=json");
  app.add_option("--log-level", texts.level, "Of the log on stderr; RUST_LOG is the same")
      ->check(level)
      ->type_name("LEVEL=info");
  app.add_option("--shutdown-timeout", texts.timeout, "Time for draining after SIGTERM or SIGINT")
      ->check(duration)
      ->type_name("SECONDS=25");
  // An image and a unit bring flags of their own; whoever appends another value means that one.
  for (const char* each : {"--api-addr", "--metrics-addr", "--storage-backend", "--storage-path", "--log-format",
                           "--log-level", "--shutdown-timeout"})
    app.get_option(each)->take_last();
}

void accept(const Texts& texts, std::string_view rust_log, RunOptions& run) {
  if (!texts.api.empty()) run.api = *Address::parse(texts.api);
  if (!texts.metrics.empty()) run.metrics = *Address::parse(texts.metrics);
  if (!texts.backend.empty()) run.backend = kBackends.at(texts.backend);
  if (!texts.path.empty()) run.storage_path = texts.path;
  if (texts.format == "text") run.log_format = obs::Format::text;
  run.log_level = parse_log_level(texts.level.empty() ? rust_log : texts.level).value_or(obs::Level::info);
  if (!texts.timeout.empty()) run.shutdown_timeout = *parse_duration(texts.timeout);
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv, std::string_view rust_log, std::ostream& out,
                           std::ostream& err) {
  Command command;
  Texts texts;
  CLI::App app{std::string(kAbout), "deltaforge"};
  app.require_subcommand(0, 1);
  add_run_options(app, command.run, texts);
  bool version_flag = false;
  app.add_flag("--version", version_flag, "Print the version");
  app.add_subcommand("run", "Run pipelines (what happens without a command, too)")->fallthrough();
  auto* validate = app.add_subcommand("validate", "Check pipeline files and print all that is wrong")->fallthrough();
  validate->add_option("files", command.files, "Pipeline files, or directories of them");
  auto* schema = app.add_subcommand("schema", "Print the JSON Schema of a pipeline file");
  schema->add_option("-o,--output", command.output, "File to write instead")->type_name("FILE");
  auto* health =
      app.add_subcommand("health", "Ask the engine at --api-addr how it is: exit code 0 when GET /health is 200")
          ->fallthrough();
  auto* plan = app.add_subcommand("plan", "Show what a start would find and do, and change nothing")->fallthrough();
  plan->add_option("files", command.files, "Pipeline files, or directories of them");
  plan->add_flag("--offline", command.plan.offline, "Documents and state only; ask neither source nor sinks");
  plan->add_flag("--json", command.plan.json, "For programs");
  auto* version = app.add_subcommand("version", "Print the version");

  try {
    app.parse(argc, argv);
    const bool needs_files = validate->parsed() || plan->parsed();
    if (needs_files && !command.run.config.empty()) command.files.push_back(command.run.config);
    if (needs_files && command.files.empty()) throw CLI::RequiredError("files");
  } catch (const CLI::ExtrasError& stop) {
    app.exit(stop, out, err);
    err << "A pipeline file is given with --config, or to `validate` or `plan`.\n";
    command.exit_code = kUsage;
    return command;
  } catch (const CLI::ParseError& stop) {
    command.exit_code = app.exit(stop, out, err) == 0 ? kDone : kUsage;
    return command;
  }
  accept(texts, rust_log, command.run);
  command.verb = validate->parsed()                  ? Command::Verb::validate
                 : schema->parsed()                  ? Command::Verb::schema
                 : health->parsed()                  ? Command::Verb::health
                 : plan->parsed()                    ? Command::Verb::plan
                 : version->parsed() || version_flag ? Command::Verb::version
                                                     : Command::Verb::run;
  return command;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  std::int64_t count = 0;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc() || count < 0 || count > 86'400'000) return std::nullopt;
  std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  if (unit.empty() || unit == "s") return std::chrono::seconds(count);
  if (unit == "ms") return std::chrono::milliseconds(count);
  if (unit == "m") return std::chrono::minutes(count);
  return std::nullopt;
}

std::optional<obs::Level> parse_log_level(std::string_view text) {
  static const std::map<std::string_view, obs::Level> kLevels{{"trace", obs::Level::trace},
                                                              {"debug", obs::Level::debug},
                                                              {"info", obs::Level::info},
                                                              {"warn", obs::Level::warn},
                                                              {"error", obs::Level::error}};
  std::optional<obs::Level> general, ours;
  while (!text.empty()) {
    std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    std::size_t equals = item.find('=');
    bool targeted = equals != std::string_view::npos;
    if (targeted && item.substr(0, equals) != "deltaforge") continue;
    auto level = kLevels.find(targeted ? item.substr(equals + 1) : item);
    if (level == kLevels.end()) return std::nullopt;
    (targeted ? ours : general) = level->second;
  }
  return ours ? ours : general;
}

}  // namespace deltaforge::server
