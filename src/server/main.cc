#include <cstdlib>
#include <iostream>

#include "server/cli.h"
#include "server/process.h"
#include "server/run.h"

using namespace deltaforge::server;

int main(int argc, char** argv) {
  const char* rust_log = std::getenv("RUST_LOG");
  Command command = parse_command_line(argc, argv, rust_log == nullptr ? "" : rust_log, std::cout, std::cerr);
  switch (command.verb) {
    case Command::Verb::nothing: return command.exit_code;
    case Command::Verb::version: std::cout << "deltaforge " DELTAFORGE_VERSION "\n"; return kDone;
    case Command::Verb::validate: return validate(command.files, std::cout, std::cerr);
    case Command::Verb::run: break;
  }
  switch_off_core_dumps();
  StopSignals signals;
  return run(command.run, signals, std::cerr);
}
