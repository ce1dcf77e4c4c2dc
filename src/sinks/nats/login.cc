#include "sinks/nats/login.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "sinks/nats/nkey.h"

namespace deltaforge::sinks::nats {
namespace {

// A file that is being replaced is whole again the next time: none of its problems is for good.
std::string read_file(const std::string& path, std::string_view field) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || text.empty())
    throw Error(ErrorKind::auth, fmt::format("connecting to NATS: the file {} cannot be read", path),
                fmt::format("give `{}` a file that this process may read", field));
  return text;
}

[[noreturn]] void no_credentials(const std::string& path) {
  throw Error(ErrorKind::auth, fmt::format("connecting to NATS: {} is no file of credentials", path),
              "`credentials_file` is what `nsc generate creds` writes");
}

// A user's JWT, and what of the file comes behind it.
std::string_view take_jwt(std::string_view& text, const std::string& path) {
  constexpr std::string_view kBegin = "-----BEGIN NATS USER JWT-----";
  const std::size_t begin = text.find(kBegin);
  if (begin == std::string_view::npos) no_credentials(path);
  text.remove_prefix(begin + kBegin.size());
  constexpr std::string_view kBlank = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  const std::string_view jwt = text.substr(0, text.find_first_of(kBlank));
  if (jwt.empty() || jwt.starts_with('-')) no_credentials(path);
  text.remove_prefix(jwt.size());
  return jwt;
}

void add_credentials(nlohmann::json& to, const std::string& path, const std::string& nonce) {
  const std::string file = read_file(path, "credentials_file");
  std::string_view rest = file;
  const std::string_view jwt = take_jwt(rest, path);
  const std::string_view seed = find_seed(rest);
  if (public_key_of(seed).empty()) no_credentials(path);
  to["jwt"] = jwt;
  if (!nonce.empty()) to["sig"] = sign(seed, nonce);
}

void add_nkey(nlohmann::json& to, const std::string& path, const std::string& nonce) {
  const std::string file = read_file(path, "nkey");
  const std::string_view seed = find_seed(file);
  const std::string key = public_key_of(seed);
  if (key.empty())
    throw Error(ErrorKind::auth, fmt::format("connecting to NATS: {} holds no seed of a user", path),
                "`nkey` is a file with a line that begins with SU");
  to["nkey"] = key;
  if (!nonce.empty()) to["sig"] = sign(seed, nonce);
}

}  // namespace

std::string connect_line(const Config& config, const Servers& servers, const ServerInfo& info, const std::string& name,
                         bool tls) {
  nlohmann::json options{{"verbose", false},     {"pedantic", false},    {"tls_required", tls},
                         {"name", name},         {"lang", "deltaforge"}, {"version", DELTAFORGE_VERSION},
                         {"protocol", 1},        {"echo", false},        {"headers", true},
                         {"no_responders", true}};
  const std::string& user = config.username.empty() ? servers.user : config.username;
  const config::Secret& password = config.username.empty() ? servers.password : config.password;
  const config::Secret& token = config.token.empty() ? servers.token : config.token;
  if (!user.empty()) {
    options["user"] = user;
    options["pass"] = password.reveal();
  }
  if (!token.empty()) options["auth_token"] = token.reveal();
  if (!config.credentials_file.empty()) add_credentials(options, config.credentials_file, info.nonce);
  if (!config.nkey.empty()) add_nkey(options, config.nkey, info.nonce);
  return "CONNECT " + options.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\r\n";
}

}  // namespace deltaforge::sinks::nats
