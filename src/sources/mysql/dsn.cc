#include "sources/mysql/dsn.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/percent.h"

namespace deltaforge::sources::mysql {
namespace {

// Both spellings are in use: ssl-mode and ssl_mode.
std::string option_name(std::string name) {
  name = to_lower(std::move(name));
  std::ranges::replace(name, '_', '-');
  return name;
}

std::optional<SslMode> ssl_mode(const std::string& text) {
  static const std::map<std::string, SslMode> kModes{{"disabled", SslMode::disabled},
                                                     {"preferred", SslMode::preferred},
                                                     {"required", SslMode::required},
                                                     {"verify_ca", SslMode::verify_ca},
                                                     {"verify-ca", SslMode::verify_ca},
                                                     {"verify_identity", SslMode::verify_identity},
                                                     {"verify-identity", SslMode::verify_identity}};
  auto found = kModes.find(to_lower(text));
  return found == kModes.end() ? std::nullopt : std::optional(found->second);
}

class Parser {
 public:
  std::variant<Dsn, DsnProblem> parse(std::string_view text) {
    bool known = false;
    for (std::string_view scheme : {"mysql://", "mariadb://"}) {
      if (!text.starts_with(scheme)) continue;
      text.remove_prefix(scheme.size());
      known = true;
    }
    if (!known) return "it does not begin with mysql://";
    std::string_view options = cut_after(text, '?');
    std::string_view database = cut_after(text, '/');
    // What would follow is a part of the password, and messages show hosts.
    if (database.find('@') != std::string_view::npos || options.find('@') != std::string_view::npos)
      return "'/', '?' and '@' in user, password or options must be percent-encoded: %2F, %3F, %40";
    // A password may hold '@' unencoded: the last one ends it.
    std::size_t at = text.rfind('@');
    if (at == std::string_view::npos) return "the user is missing";
    read_user(text.substr(0, at));
    read_host(text.substr(at + 1));
    dsn_.database = decoded(database, "the database");
    while (problem_.empty() && !options.empty()) {
      std::string_view rest = cut_after(options, '&');
      read_option(options);
      options = rest;
    }
    if (!problem_.empty()) return problem_;
    if (dsn_.ssl_cert.empty() != dsn_.ssl_key.empty()) return "ssl-cert and ssl-key go together";
    return dsn_;
  }

 private:
  // Shortens `text` to what stands before the separator, and returns what stands behind it.
  static std::string_view cut_after(std::string_view& text, char separator) {
    std::size_t at = text.find(separator);
    if (at == std::string_view::npos) return {};
    std::string_view rest = text.substr(at + 1);
    text = text.substr(0, at);
    return rest;
  }

  std::string decoded(std::string_view text, const std::string& what) {
    auto result = percent_decoded(text);
    if (result && result->find('\0') != std::string::npos) result.reset();
    if (!result) problem_ = what + " has a % that is not followed by two hex digits";
    return result.value_or("");
  }

  void read_user(std::string_view text) {
    std::string_view password = cut_after(text, ':');
    dsn_.user = decoded(text, "the user");
    dsn_.password = config::Secret(decoded(password, "the password"));
    if (dsn_.user.empty() && problem_.empty()) problem_ = "the user is missing";
  }

  void read_host(std::string_view text) {
    std::string_view port;
    if (text.starts_with('[')) {
      std::size_t end = text.find(']');
      if (end == std::string_view::npos) {
        problem_ = "the host begins with [ and has no ]";
        return;
      }
      dsn_.host = text.substr(1, end - 1);
      port = text.substr(end + 1);
      if (port.starts_with(':')) port.remove_prefix(1);
    } else {
      port = cut_after(text, ':');
      if (!text.empty()) dsn_.host = decoded(text, "the host");
    }
    if (port.empty()) return;
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), dsn_.port);
    if (error != std::errc() || end != port.data() + port.size() || dsn_.port == 0) problem_ = "the port is no number";
  }

  void read_option(std::string_view text) {
    std::string_view encoded = cut_after(text, '=');
    const std::string name = option_name(std::string(text));
    const std::string value = decoded(encoded, "option " + name);
    static const std::map<std::string, std::string Dsn::*> kTexts{
        {"ssl-ca", &Dsn::ssl_ca},         {"ssl-capath", &Dsn::ssl_capath},
        {"ssl-cert", &Dsn::ssl_cert},     {"ssl-key", &Dsn::ssl_key},
        {"ssl-cipher", &Dsn::ssl_cipher}, {"tls-version", &Dsn::tls_version},
        {"socket", &Dsn::socket},         {"server-public-key-path", &Dsn::server_public_key}};
    if (auto found = kTexts.find(name); found != kTexts.end()) {
      dsn_.*found->second = value;
    } else if (name == "ssl-mode") {
      auto mode = ssl_mode(value);
      if (mode)
        dsn_.ssl_mode = *mode;
      else
        problem_ = "ssl-mode is DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY";
    } else {
      problem_ = "unknown option " + name +
                 "; there are ssl-mode, ssl-ca, ssl-capath, ssl-cert, ssl-key, ssl-cipher, tls-version, "
                 "server-public-key-path and socket";
    }
  }

  Dsn dsn_;
  std::string problem_;
};

}  // namespace

std::string Dsn::where() const { return socket.empty() ? fmt::format("{}:{}", host, port) : socket; }

bool Dsn::tls_is_optional() const {
  return ssl_mode == SslMode::preferred && ssl_ca.empty() && ssl_capath.empty() && ssl_cert.empty();
}

std::variant<Dsn, DsnProblem> parse_dsn(const config::Secret& text) { return Parser().parse(text.reveal()); }

}  // namespace deltaforge::sources::mysql
