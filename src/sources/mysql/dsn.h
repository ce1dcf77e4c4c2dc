// The connection string: mysql://user:password@host:3306/database?ssl-mode=VERIFY_IDENTITY&ssl-ca=/etc/ca.pem
// User, password, database and values are percent-encoded; a host may stand in brackets (IPv6). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "config/secret.h"

namespace deltaforge::sources::mysql {

// As the database's own clients name them.
enum class SslMode { disabled, preferred, required, verify_ca, verify_identity };

struct Dsn {
  std::string user;
  config::Secret password;
  std::string host = "localhost";
  std::uint16_t port = 3306;
  std::string socket;    // path of a unix socket, instead of host and port
  std::string database;  // where statements of our own run; not what is captured
  SslMode ssl_mode = SslMode::preferred;
  std::string ssl_ca, ssl_capath, ssl_cert, ssl_key, ssl_cipher, tls_version;
  std::string server_public_key;  // file of the server's RSA key, for a password without TLS

  std::string where() const;  // "host:port", or the socket
  // Nothing in it asks for TLS: a server that has none is talked to in plain text.
  bool tls_is_optional() const;
};

// What is wrong with it, without a word of its user part.
using DsnProblem = std::string;
std::variant<Dsn, DsnProblem> parse_dsn(const config::Secret&);

}  // namespace deltaforge::sources::mysql
