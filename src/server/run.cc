#include "server/run.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "pipeline/start_positions.h"
#include "server/api.h"
#include "server/components.h"
#include "server/config_files.h"
#include "server/http_server.h"
#include "server/json_schema.h"
#include "server/manager.h"
#include "server/private_file.h"
#include "storage/memory_store.h"
#include "storage/sqlite_store.h"

namespace deltaforge::server {

namespace {

// Past the drain's own deadline: something hangs, and the process leaves it behind.
constexpr std::chrono::seconds kGrace{2};

int exit_code(ErrorKind kind) {
  return kind == ErrorKind::state_lost || kind == ErrorKind::state_locked ? kState : kInvalid;
}

void print_problems(const Configuration& configuration, std::ostream& to) {
  to << configuration.storage_problems.text();
  for (const Document& document : configuration.documents) to << document.problems.text() << document.warnings.text();
}

void log_problems(const std::vector<Document>& documents) {
  for (const Document& document : documents) {
    for (const auto& problem : document.problems.problems())
      obs::error("invalid pipeline document", {{"pipeline", document.name}, {"problem", problem.text()}});
    for (const auto& warning : document.warnings.problems())
      obs::warn("pipeline document", {{"pipeline", document.name}, {"problem", warning.text()}});
  }
}

struct State {
  std::unique_ptr<Store> store;
  std::string directory;  // of its files; empty when it has none
};

State open_state(const RunOptions& options, const StorageOptions& section) {
  Backend backend = options.backend.value_or(section.backend.value_or(Backend::sqlite));
  switch (backend) {
    case Backend::memory: return {std::make_unique<storage::MemoryStore>(), {}};
    case Backend::postgres:
      throw Error(ErrorKind::unsupported, "not in this build: storage backend postgres",
                  "--storage-backend sqlite or memory");
    case Backend::sqlite: break;
  }
  storage::StateOptions state;
  if (section.path) state.path = *section.path;
  if (options.storage_path) state.path = *options.storage_path;
  state.require_state = options.require_state;
  auto store = std::make_unique<storage::SqliteStore>(state);
  std::string directory = store->directory();
  return {std::move(store), std::move(directory)};
}

// Whatever still hangs must not hold the process.
[[noreturn]] void leave(int code) {
  obs::flush_log();
  std::_Exit(code);
}

// Returns when everything is drained; leaves the process when that did not work in time or a second signal came.
void drain(Manager& manager, StopSignals& signals, std::chrono::milliseconds deadline) {
  obs::info("draining", {{"deadline_ms", std::int64_t{deadline.count()}}});
  std::atomic<bool> drained{false};
  WakeFd finished;
  std::jthread drainer([&] {
    drained = manager.drain(deadline);
    finished.signal();
  });
  if (signals.wait(finished.fd(), deadline + kGrace)) {
    obs::warn("second signal: leaving without a drain; nothing is lost, the rest will be read again");
    leave(kDeadlinePassed);
  }
  if (!drained) leave(kDeadlinePassed);
  obs::info("drained");
}

Tokens tokens_of(const RunOptions& options) {
  constexpr std::string_view kFile = "--api-token-file", kReadFile = "--api-read-token-file";
  Tokens tokens;
  if (!options.api_token_file.empty()) tokens.add(Role::admin, read_private_file(options.api_token_file, kFile), kFile);
  if (!options.api_read_token_file.empty())
    tokens.add(Role::read, read_private_file(options.api_read_token_file, kReadFile), kReadFile);
  if (options.api_token) tokens.add(Role::admin, options.api_token->reveal(), "DELTAFORGE_API_TOKEN");
  if (options.api_read_token) tokens.add(Role::read, options.api_read_token->reveal(), "DELTAFORGE_API_READ_TOKEN");
  return tokens;
}

// Who may use the API, and how it is encrypted: from files, all of which are read before anything starts.
struct Protection {
  Access access;
  std::optional<TlsIdentity> tls;
};

Protection protection_of(const RunOptions& options) {
  Reach reach = options.api.loopback()     ? Reach::this_machine
                : !options.insecure_listen ? Reach::others
                                           : Reach::others_opened;
  Protection protection{{tokens_of(options), reach}, std::nullopt};
  if (!options.api_tls_cert.empty()) protection.tls = load_tls_identity(options.api_tls_cert, options.api_tls_key);
  return protection;
}

int run_pipelines(const RunOptions& options, Configuration configuration, StopSignals& signals) {
  Protection protection = protection_of(options);
  State state = open_state(options, configuration.storage);
  for (const std::string& key : state.store->resets()) pipeline::apply_reset(*state.store, key);
  state.store->forget_resets();
  const std::string key_file =
      options.key_file.value_or(state.directory.empty() ? "" : state.directory + "/secret.key");
  SpecStore specs(*state.store, components(), key_file);
  Manager manager(launch_on(*state.store, state.directory), specs);
  const bool none_in_files = configuration.documents.empty();
  manager.announce(std::move(configuration.documents));
  std::vector<Document> kept = specs.load();
  log_problems(kept);
  if (none_in_files && kept.empty())
    obs::warn("there is no pipeline yet: give a file with --config, or make one with POST /pipelines");
  manager.announce(std::move(kept));
  Api api(manager, components(), std::move(protection.access));
  HttpServer rest(
      options.api, "--api-addr", [&api](const Request& request) { return api.handle(request); },
      std::move(protection.tls));
  HttpServer metrics(options.metrics, "--metrics-addr",
                     [&api](const Request& request) { return api.handle_metrics_only(request); });
  obs::info("listening", {{"api", Address{options.api.host, rest.port()}.to_string()},
                          {"metrics", Address{options.metrics.host, metrics.port()}.to_string()}});

  manager.start();
  signals.wait();
  drain(manager, signals, options.shutdown_timeout);
  return kDone;
}

}  // namespace

int run(const RunOptions& options, StopSignals& signals, std::ostream& err) try {
  Configuration configuration;
  if (!options.config.empty()) configuration = load({options.config}, components());
  // A file may hold nothing but `storage:`: pipelines then come through the API.
  bool nothing_valid = !configuration.documents.empty() && !configuration.any_valid();
  if (nothing_valid || !configuration.storage_problems.ok()) {
    print_problems(configuration, err);
    return kInvalid;
  }
  obs::configure_log(options.log_level, options.log_format);
  obs::info("starting", {{"version", std::string_view(DELTAFORGE_VERSION)}, {"config", options.config}});
  log_problems(configuration.documents);
  return run_pipelines(options, std::move(configuration), signals);
} catch (const Error& error) {
  obs::error("cannot run", {{"kind", to_string(error.kind())}, {"error", error.message()}, {"hint", error.hint()}});
  return exit_code(error.kind());
}

int validate(const std::vector<std::string>& files, std::ostream& out, std::ostream& err) {
  Configuration configuration = load(files, components());
  print_problems(configuration, err);
  for (const Document& document : configuration.documents)
    if (document.spec) out << document.file << ": " << document.name << ": ok\n";
  return configuration.all_valid() ? kDone : kInvalid;
}

int print_schema(const std::string& output, std::ostream& out, std::ostream& err) {
  const std::string schema = json_schema(components());
  if (output.empty()) {
    out << schema << std::flush;
    return out ? kDone : kInvalid;
  }
  std::ofstream file(output);
  file << schema << std::flush;
  if (file) return kDone;
  err << "writing the schema to " << output << ": " << std::strerror(errno) << "; name a file that can be written\n";
  return kInvalid;
}

}  // namespace deltaforge::server
