// A configuration file, or a request's body: YAML, variables, everything that a component of this build declares.
//
//   expansion u8 (1: a request) | text
//
// Must hold: problems say where; a document without problems can be shown as JSON, in which no password stands that a
// request took from the environment. (Text that holds one itself, or a file, may name it anywhere, also as an id.)
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/parse.h"
#include "fuzz.h"
#include "server/document.h"

namespace deltaforge::sources::postgres {
void add(Catalogue&);
}
namespace deltaforge::sources::mysql {
void add(Catalogue&);
}
namespace deltaforge::sinks::file {
void add(Catalogue&);
}
namespace deltaforge::sinks::stdout {
void add(Catalogue&);
}
namespace deltaforge::sinks::blackhole {
void add(Catalogue&);
}

namespace {

using namespace deltaforge;

// Kafka's part of it is checked by librdkafka, which is not ours to fuzz.
const Catalogue& catalogue() {
  static const Catalogue all = [] {
    Catalogue catalogue;
    sources::postgres::add(catalogue);
    sources::mysql::add(catalogue);
    sinks::file::add(catalogue);
    sinks::stdout::add(catalogue);
    sinks::blackhole::add(catalogue);
    return catalogue;
  }();
  return all;
}

constexpr std::string_view kPassword = "canary-7f3a";

std::optional<std::string> environment(std::string_view name) {
  if (name.ends_with("DSN"))
    return fmt::format("{}://u:{}@h/d", name.starts_with("MYSQL") ? "mysql" : "postgres", kPassword);
  if (name == "EMPTY") return "";
  return std::nullopt;
}

void check_report(const config::Report& report) {
  for (const auto& problem : report.problems())
    fuzz::require(!problem.message.empty() && problem.place.line > 0, "a problem says what and where");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const bool request = (in.byte() & 1) != 0;
  config::ParseOptions options{environment, request ? config::Expansion::secrets_only : config::Expansion::everywhere};
  const std::string text = in.text();
  const bool secret = request && text.find(kPassword) == std::string::npos;
  config::Report report;
  fuzz::allowed_to_refuse([&] {
    for (const config::Document& parsed : config::parse(text, "pipe.yaml", report, options)) {
      const server::Document document = server::check_document(parsed.root, "pipe.yaml", catalogue());
      check_report(document.problems);
      check_report(document.warnings);
      fuzz::require(document.problems.ok() == document.spec.has_value(), "a spec, or problems");
      fuzz::require(nlohmann::json::accept(document.echo), "the echo is JSON:", document.echo);
      fuzz::require(!secret || document.echo.find(kPassword) == std::string::npos,
                    "the echo holds no password:", document.echo);
    }
  });
  check_report(report);
  return 0;
}
