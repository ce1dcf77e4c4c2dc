// A destination or key with ${variables}.
//
// Must hold: what was read is printed and read back as the same.
#include <nlohmann/json.hpp>

#include "config/expand.h"
#include "config/parse.h"
#include "config/redact.h"
#include "fuzz.h"

namespace {

using namespace deltaforge;

std::optional<config::Template> read(const std::string& text) {
  config::Report report;
  const config::ParseOptions options{[](std::string_view) { return std::nullopt; }, config::Expansion::everywhere};
  // A JSON string is a YAML scalar.
  const std::string quoted = nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  auto documents = config::parse("t: " + quoted, "t.yaml", report, options);
  if (!report.ok() || documents.size() != 1) return std::nullopt;
  return config::expand_template(*documents[0].root.find("t"), report);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::Input(data, size).text();
  fuzz::require(config::mask_secrets(text).size() <= 4 * text.size() + 3, "a mask is short");
  const auto parsed = read(text);
  if (!parsed) return 0;
  for (std::size_t i = 1; i < parsed->parts().size(); ++i)
    fuzz::require(parsed->parts()[i].what != config::Template::What::literal ||
                      parsed->parts()[i - 1].what != config::Template::What::literal,
                  "never two literals in a row");
  // "${X:-$}${op}" is the one way to write a '$' before a variable.
  if (text.find(":-") != std::string::npos) return 0;
  const auto again = read(parsed->text());
  fuzz::require(again && again->parts() == parsed->parts(), "a template reads back from its text:", parsed->text());
  return 0;
}
