#include "sinks/nats/servers.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "base/link.h"
#include "base/percent.h"

namespace deltaforge::sinks::nats {
namespace {

UrlProblem read_port(std::string_view text, std::uint16_t& to) {
  if (text.empty()) return {};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  if (error != std::errc() || end != text.data() + text.size() || to == 0)
    return "the port is no number between 1 and 65535";
  return {};
}

UrlProblem read_host(std::string_view text, Server& to) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return "a host begins with [ and has no ]";
    to.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return "a host has something behind its ]";
  } else {
    const std::size_t colon = text.find(':');
    to.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (to.host.empty() || to.host.find_first_of("\t\n\r \"\\") != std::string::npos)
    return "there is no name of a host; write nats://host:4222";
  return read_port(port.empty() ? port : port.substr(1), to.port);
}

UrlProblem read_login(std::string_view text, Servers& to) {
  const std::size_t colon = text.find(':');
  auto user = percent_decoded(text.substr(0, colon));
  auto password = percent_decoded(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  if (!user || !password) return "user or password has a % that is not followed by two hex digits";
  if (user->empty() || (colon != std::string_view::npos && password->empty()))
    return "it has half a login; write nats://user:password@host:4222";
  const bool is_token = colon == std::string_view::npos;
  config::Secret secret(is_token ? std::move(*user) : std::move(*password));
  const bool same = is_token ? to.token.reveal() == secret.reveal() && to.user.empty()
                             : to.user == *user && to.password.reveal() == secret.reveal();
  if (to.has_login() && !same) return "its servers have different logins; give one for all";
  if (is_token) {
    to.token = std::move(secret);
  } else {
    to.user = std::move(*user);
    to.password = std::move(secret);
  }
  return {};
}

UrlProblem read_server(std::string_view text, Servers& to) {
  Server server;
  if (const std::size_t at = text.find("://"); at != std::string_view::npos) {
    const std::string_view scheme = text.substr(0, at);
    if (scheme == "ws" || scheme == "wss") return "not in this build: WebSocket; write nats:// or tls://";
    if (scheme != "nats" && scheme != "tls") return "it does not begin with nats:// or tls://";
    server.tls = scheme == "tls";
    text.remove_prefix(at + 3);
  }
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    if (UrlProblem problem = read_login(text.substr(0, at), to); !problem.empty()) return problem;
    text.remove_prefix(at + 1);
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  if (text.find_first_of("/?#") != std::string_view::npos)
    return "it has something behind the port; there is nothing to choose there";
  if (UrlProblem problem = read_host(text, server); !problem.empty()) return problem;
  to.all.push_back(std::move(server));
  return {};
}

}  // namespace

std::string Server::where() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

std::string Servers::where() const {
  std::string text;
  for (const Server& server : all) text += (text.empty() ? "" : ", ") + server.where();
  return text;
}

std::variant<Servers, UrlProblem> parse_servers(const config::Secret& secret) {
  Servers servers;
  for (std::string_view rest = secret.reveal(); !rest.empty();) {
    const std::size_t comma = rest.find(',');
    std::string_view one = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (UrlProblem problem = read_server(one, servers); !problem.empty()) return problem;
  }
  if (servers.all.empty()) return "it is empty; write nats://host:4222";
  if (std::ranges::any_of(servers.all, [&](const Server& each) { return each.tls != servers.all[0].tls; }))
    return "some of its servers are tls:// and others are not";
  return servers;
}

bool is_remote(const Servers& servers) {
  return std::ranges::any_of(servers.all, [](const Server& each) { return !is_loopback(each.host); });
}

}  // namespace deltaforge::sinks::nats
