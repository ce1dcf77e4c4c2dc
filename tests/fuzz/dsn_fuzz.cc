// Connection strings of the sources and of Redis.
//
// Must hold: what is said about a wrong one does not depend on its password.
#include "fuzz.h"
#include "sinks/redis/uri.h"
#include "sources/mysql/dsn.h"
#include "sources/postgres/connection.h"

namespace {

using namespace deltaforge;

std::string mysql_problem(const std::string& text) {
  auto parsed = sources::mysql::parse_dsn(config::Secret(text));
  if (auto* problem = std::get_if<sources::mysql::DsnProblem>(&parsed)) return *problem;
  fuzz::require(!std::get<sources::mysql::Dsn>(parsed).where().empty(), "a place has a name");
  return {};
}

std::string postgres_problem(const std::string& text) {
  return sources::postgres::dsn_problem(config::Secret(text)).value_or("");
}

std::string redis_problem(const std::string& text) {
  auto parsed = sinks::redis::parse_uri(config::Secret(text));
  if (auto* problem = std::get_if<sinks::redis::UriProblem>(&parsed)) return *problem;
  fuzz::require(!std::get<sinks::redis::Target>(parsed).where().empty(), "a place has a name");
  return {};
}

// The text with the letters and digits of its password changed; nothing when it has no plain one.
std::string with_another_password(std::string text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string::npos) return {};
  const std::size_t at = text.find('@', scheme), colon = text.find(':', scheme + 3);
  if (at == std::string::npos || colon == std::string::npos || colon > at) return {};
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  for (std::size_t i = colon + 1; i < at; ++i) {
    if (!is_plain(text[i])) return {};
    text[i] = text[i] == 'q' ? 'r' : 'q';
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::Input(data, size).text();
  const std::string other = with_another_password(text);
  for (auto* problem : {mysql_problem, postgres_problem, redis_problem}) {
    const std::string what = problem(text);
    if (!other.empty()) fuzz::require(problem(other) == what, "a password makes no difference:", what);
  }
  return 0;
}
