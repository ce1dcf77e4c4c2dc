#include <cstdlib>
#include <iostream>

#include "server/cli.h"
#include "server/health.h"
#include "server/plan.h"
#include "server/process.h"
#include "server/run.h"

using namespace deltaforge::server;

namespace {

// Nothing that runs later, a ${NAME} in a document among it, finds the secret in the environment any more.
std::optional<deltaforge::config::Secret> taken_from_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  deltaforge::config::Secret secret{value};
  unsetenv(name);
  return secret;
}

}  // namespace

int main(int argc, char** argv) {
  setenv("TZ", "UTC", 1);  // wherever a process runs, its scripts make the same of an event
  const char* rust_log = std::getenv("RUST_LOG");
  Command command = parse_command_line(argc, argv, rust_log == nullptr ? "" : rust_log, std::cout, std::cerr);
  switch_off_core_dumps();
  command.run.api_token = taken_from_environment("DELTAFORGE_API_TOKEN");
  command.run.api_read_token = taken_from_environment("DELTAFORGE_API_READ_TOKEN");
  switch (command.verb) {
    case Command::Verb::nothing: return command.exit_code;
    case Command::Verb::version: std::cout << "deltaforge " DELTAFORGE_VERSION "\n"; return kDone;
    case Command::Verb::validate: return validate(command.files, std::cout, std::cerr);
    case Command::Verb::schema: return print_schema(command.output, std::cout, std::cerr);
    case Command::Verb::health: return health(command.run.api, command.run.api_tls_cert, std::cout, std::cerr);
    case Command::Verb::plan: return plan(command.files, command.run, command.plan, std::cout);
    case Command::Verb::run: break;
  }
  StopSignals signals;
  return run(command.run, signals, std::cerr);
}
