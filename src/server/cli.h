// The command line.
#pragma once

#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "config/secret.h"
#include "obs/log.h"
#include "server/address.h"
#include "server/storage_options.h"

namespace deltaforge::server {

// What a shell sees.
enum Exit : int {
  kDone = 0,            // done, or drained
  kInvalid = 1,         // the configuration, or an address that cannot be listened on; `plan`: it would not start
  kUsage = 2,           // the command line
  kState = 3,           // state locked or lost
  kDeadlinePassed = 4,  // stopped before everything was drained
};

struct RunOptions {
  std::string config;  // file or directory; empty: no pipelines
  Address api{"127.0.0.1", 8080};
  Address metrics{"127.0.0.1", 9000};
  bool insecure_listen = false;
  // Files, or "". With any token, file or not, every route but probes and metrics needs one.
  std::string api_token_file, api_read_token_file;
  std::string api_tls_cert, api_tls_key;  // both or neither
  // Of DELTAFORGE_API_TOKEN and DELTAFORGE_API_READ_TOKEN, which main() takes out of the environment.
  std::optional<config::Secret> api_token, api_read_token;
  std::optional<Backend> backend;
  std::optional<std::string> storage_path;
  bool require_state = false;
  std::optional<std::string> key_file;  // of what is sealed in the store
  obs::Format log_format = obs::Format::json;
  obs::Level log_level = obs::Level::info;
  std::chrono::milliseconds shutdown_timeout{25'000};
};

// Of `plan`, beside the storage options of RunOptions.
struct PlanOptions {
  bool offline = false;  // neither source nor sink is asked
  bool json = false;
};

struct Command {
  enum class Verb { run, validate, plan, schema, health, version, nothing };
  Verb verb = Verb::nothing;
  int exit_code = kDone;  // of `nothing`: help was asked for, or the usage is wrong
  RunOptions run;
  PlanOptions plan;
  std::vector<std::string> files;  // of `validate` and `plan`
  std::string output;              // of `schema`; empty: standard output
};

// Help goes to `out`, usage errors to `err`. `rust_log`: the environment variable, or "".
Command parse_command_line(int argc, const char* const* argv, std::string_view rust_log, std::ostream& out,
                           std::ostream& err);

// "25", "25s", "500ms", "2m"
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// One level, or a filter as in "deltaforge=info,warn": ours if it is named, else the general one.
std::optional<obs::Level> parse_log_level(std::string_view text);

}  // namespace deltaforge::server
