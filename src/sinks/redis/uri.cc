#include "sinks/redis/uri.h"

#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "base/percent.h"

namespace deltaforge::sinks::redis {
namespace {

template <class Number>
bool read_number(std::string_view text, Number& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// What is wrong, or "".
UriProblem read_user(std::string_view text, Target& to) {
  const std::size_t colon = text.find(':');
  auto user = percent_decoded(text.substr(0, colon));
  auto password = percent_decoded(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  if (!user || !password) return "user or password has a % that is not followed by two hex digits";
  if (password->empty()) return "it has a user and no password; write redis://user:password@host:6379";
  to.user = std::move(*user);
  to.password = config::Secret(std::move(*password));
  return {};
}

UriProblem read_host(std::string_view text, Target& to) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return "the host begins with [ and has no ]";
    to.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return "the host has something behind its ]";
  } else {
    const std::size_t colon = text.find(':');
    if (colon > 0 && !text.empty()) to.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (to.host.empty() || to.host.find_first_of("\t\n\r ,") != std::string::npos) return "the host is no name of a host";
  if (port.size() > 1 && (!read_number(port.substr(1), to.port) || to.port == 0))
    return "the port is no number between 1 and 65535";
  return {};
}

}  // namespace

std::string Target::where() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

std::variant<Target, UriProblem> parse_uri(const config::Secret& secret) {
  std::string_view text = secret.reveal();
  Target target;
  if (text.starts_with("redis+")) return "not in this build: cluster and sentinel; write redis://host:6379";
  target.tls = text.starts_with("rediss://");
  if (!target.tls && !text.starts_with("redis://")) return "it does not begin with redis:// or rediss://";
  text.remove_prefix(text.find("//") + 2);

  // A password may hold '@' and '/' unencoded: the last '@' ends it.
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    if (UriProblem problem = read_user(text.substr(0, at), target); !problem.empty()) return problem;
    text.remove_prefix(at + 1);
  }
  if (text.find_first_of("?#") != std::string_view::npos)
    return "it has options behind `?` or `#`; there are none: TLS files belong into the `tls` block";
  const std::size_t slash = text.find('/');
  if (UriProblem problem = read_host(text.substr(0, slash), target); !problem.empty()) return problem;
  if (slash != std::string_view::npos && slash + 1 < text.size() &&
      !read_number(text.substr(slash + 1), target.database))
    return "the database is no number; write redis://host:6379/0";
  return target;
}

}  // namespace deltaforge::sinks::redis
