#include "sources/mysql/errors.h"

#include <fmt/format.h>

namespace deltaforge::sources::mysql {
namespace {

constexpr unsigned kSameIdAtMariadb = 4052;  // MySQL says it as one of the many 1236

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string connect_remedy(const ServerError& error, const std::string& user) {
  switch (error.number) {
    case 1045:
      return "check user and password in the dsn; where the account has REQUIRE SSL or REQUIRE X509, ssl-mode, "
             "ssl-cert "
             "and ssl-key";
    case 1044: return "grant the user access to the database of the dsn, or leave the database out";
    case 1049: return "check the database in the dsn, or leave it out";
    case 1130: return fmt::format("allow this machine: CREATE USER '{}'@'%' IDENTIFIED BY '...'", user);
    case 1040: return "raise max_connections";
    case 1129: return "run mysqladmin flush-hosts on the server";
    case 1251:
    case 1275:
    case 2059:
      return "the account's authentication plugin cannot be used from here: ALTER USER ... IDENTIFIED WITH "
             "caching_sha2_password BY '...'";
    case 2013:
      return "check that the server runs; one that does not accept ssl-cert ends the connection without a word";
    case 2026: return "check ssl-mode, ssl-ca, ssl-cert and ssl-key in the dsn";
    case 3159: return "the server takes only TLS: add ssl-mode=REQUIRED to the dsn";
    default: return "check host and port in the dsn, and that the server runs";
  }
}

}  // namespace

ErrorKind kind_of(unsigned number) {
  switch (number) {
    case 1044:
    case 1045:
    case 1130:
    case 1142:
    case 1143:
    case 1227:
    case 1251:
    case 1275:
    case 1370:
    case 1698:
    case 1820:  // the password has expired
    case 1862:
    case 2026:
    case 2059:
    case 2061:
    case 3118:  // the account is locked
    case 3159:
    case 4151: return ErrorKind::auth;
    case 1049:
    case 1054:
    case 1064:
    case 1146:
    case 1193: return ErrorKind::config;
    default: return ErrorKind::unavailable;
  }
}

Error to_error(std::string_view doing, const ServerError& error, std::string remedy) {
  return Error(kind_of(error.number), fmt::format("{}: {} [{}]", doing, error.message, error.number),
               std::move(remedy));
}

Error connect_error(const std::string& where, const ServerError& error, const std::string& user) {
  ErrorKind kind = kind_of(error.number);
  // A TLS handshake that the network cut is none that was refused.
  if (error.number == 2026 && (has(error.message, "reset by peer") || has(error.message, "unexpected eof")))
    kind = ErrorKind::unavailable;
  return Error(kind, fmt::format("connecting to {}: {} [{}]", where, error.message, error.number),
               connect_remedy(error, user));
}

Error stream_error(const ServerError& error, const std::string& place) {
  const std::string text = fmt::format("reading the binary log after {}: {} [{}]", place, error.message, error.number);
  const std::string_view why = error.message;
  if (error.number == kSameIdAtMariadb || has(why, "same server_uuid") || has(why, "same server_id"))
    return Error(ErrorKind::fenced, text,
                 "another reader uses the same server_id: give one of the sources another id, or set server_id; then "
                 "resume");
  if (error.number == 1236 || error.number == 1789) {
    if (has(why, "max_allowed_packet"))
      return Error(ErrorKind::limit, text, "SET GLOBAL max_allowed_packet = 1073741824; then resume");
    if (has(why, "heartbeat") || has(why, "Lost connection")) return Error(ErrorKind::unavailable, text);
    return Error(ErrorKind::position_lost, "position lost: " + text,
                 "the server no longer has what comes after the stored position, or never had it. Keep binary logs "
                 "longer (binlog_expire_logs_seconds); to go on without the missing changes " +
                     std::string(kBeginAfresh));
  }
  if (kind_of(error.number) == ErrorKind::auth)
    return Error(ErrorKind::auth, text, "GRANT REPLICATION SLAVE ON *.* TO the user of the dsn");
  return Error(ErrorKind::unavailable, text);
}

}  // namespace deltaforge::sources::mysql
