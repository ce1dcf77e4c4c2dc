#include "sources/postgres/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace deltaforge::sources::postgres {
namespace {

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool is_sqlstate(std::string_view text) {
  for (char c : text)
    if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z')) return false;
  return text.size() == 5;
}

// "FATAL:  28P01: password ..." -> "28P01"; empty for what libpq itself complains of.
std::string sqlstate_in(std::string_view text) {
  for (std::size_t at = text.find(":  "); at != std::string_view::npos; at = text.find(":  ", at + 1)) {
    std::string_view code = text.substr(at + 3, 5);
    if (is_sqlstate(code) && text.substr(at + 8, 2) == ": ") return std::string(code);
  }
  return {};
}

// One line, without the places in the server's source text.
std::string tidy(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    line.remove_prefix(std::min(line.find_first_not_of("\t "), line.size()));
    if (line.empty() || line.starts_with("LOCATION:")) continue;
    if (!out.empty()) out += "; ";
    out += line;
  }
  return out;
}

std::string connect_remedy(std::string_view state, std::string_view text, const std::string& user) {
  if (has(text, "pg_hba.conf"))
    return "add a line for this user and address to pg_hba.conf, and SELECT pg_reload_conf()";
  if (state == "42501" || has(text, "walsender") || has(text, "WAL sender"))
    return "ALTER ROLE \"" + user + "\" REPLICATION;";
  if (state == "28P01" || has(text, "no password supplied")) return "check the password in the dsn";
  if (state.starts_with("28")) return "check the user in the dsn: CREATE ROLE \"" + user + "\" LOGIN REPLICATION;";
  if (state == "3D000") return "check dbname in the dsn";
  if (has(text, "invalid response to SSL negotiation"))
    return "check host and port in the dsn: what answers there is no PostgreSQL";
  if (has(text, "certificate") || has(text, "SSL")) return "check sslmode, sslrootcert, sslcert and sslkey in the dsn";
  if (has(text, "startup parameter"))
    return "connect to PostgreSQL itself: connection poolers do not pass replication connections on";
  return "check host and port in the dsn, and that the server runs";
}

}  // namespace

ServerError read_server_error(Bytes body) {
  ServerError error;
  ByteReader in(body);
  while (in.ok() && in.left() > 1) {
    char field = static_cast<char>(in.u8());
    std::string text(in.c_string());
    if (field == 'C')
      error.sqlstate = std::move(text);
    else if (field == 'M')
      error.message = std::move(text);
    else if (field == 'D')
      error.detail = std::move(text);
    else if (field == 'H')
      error.hint = std::move(text);
  }
  return error;
}

ErrorKind kind_of(std::string_view state) {
  if (state.starts_with("28") || state == "42501") return ErrorKind::auth;
  if (state == "3D000" || state == "0A000" || state.starts_with("42")) return ErrorKind::config;
  // Everything else may pass by itself, and if not, the checks before each start of streaming say what it is.
  return ErrorKind::unavailable;
}

Error to_error(std::string_view doing, const ServerError& error, std::string remedy) {
  std::string text = fmt::format("{}: {} [{}]", doing, error.message, error.sqlstate);
  if (!error.detail.empty()) text += ": " + error.detail;
  return Error(kind_of(error.sqlstate), text, remedy.empty() ? error.hint : std::move(remedy));
}

Error connect_error(std::string_view libpq_message, const std::string& user) {
  std::string state = sqlstate_in(libpq_message);
  std::string text = tidy(libpq_message);
  ErrorKind kind = kind_of(state);
  if (state.empty()) {
    // libpq's own refusals: they stay until somebody changes the server, its certificates or ours.
    constexpr std::array<std::string_view, 6> kAuth{"no password supplied",  "SSL",  "certificate", "channel binding",
                                                    "authentication method", "SCRAM"};
    for (std::string_view word : kAuth)
      if (has(text, word) && !has(text, "SSL SYSCALL")) kind = ErrorKind::auth;
  }
  if (has(text, "startup parameter")) kind = ErrorKind::config;
  return Error(kind, "connecting to PostgreSQL: " + text, connect_remedy(state, text, user));
}

}  // namespace deltaforge::sources::postgres
