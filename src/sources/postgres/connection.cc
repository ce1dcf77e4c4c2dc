#include "sources/postgres/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/clock.h"
#include "base/error.h"
#include "sources/postgres/errors.h"

namespace deltaforge::sources::postgres {
namespace {

using namespace std::chrono_literals;

constexpr auto kConnectTime = 10s;

// Blanks would need a backslash here; there are none.
constexpr const char* kSettings =
    "-c DateStyle=ISO -c IntervalStyle=postgres -c TimeZone=UTC -c extra_float_digits=3 -c bytea_output=hex"
    " -c search_path= -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";

struct ParsedDsn {
  std::map<std::string, std::string> words;
  std::string problem;
};

// Behind an unescaped '@' or '/' of a password libpq sees host and port, and it quotes those in its messages. So it is
// shown only URLs with one '@' before the path, and ports that are numbers.
bool has_unescaped_password(std::string_view dsn) {
  const std::size_t scheme = dsn.find("://");
  if (scheme == std::string_view::npos || !dsn.starts_with("postgres")) return false;
  std::string_view hosts = dsn.substr(scheme + 3);
  std::size_t at = hosts.find('@');
  const std::size_t slash = hosts.find('/');
  const std::size_t options = hosts.find('?');
  if (at != std::string_view::npos && slash < at && at < options) return true;
  if (at < slash) hosts.remove_prefix(at + 1);
  hosts = hosts.substr(0, hosts.find_first_of("/?"));
  if (hosts.find('@') != std::string_view::npos) return true;
  while (!hosts.empty()) {
    std::string_view host = hosts.substr(0, hosts.find(','));
    hosts.remove_prefix(std::min(hosts.size(), host.size() + 1));
    if (host.starts_with('[')) host.remove_prefix(std::min(host.size(), host.find(']')));
    std::string_view port = host.substr(std::min(host.size(), host.find(':')));
    if (!std::all_of(port.begin(), port.end(), [](char c) { return c == ':' || (c >= '0' && c <= '9'); })) return true;
  }
  return false;
}

ParsedDsn parse(const config::Secret& dsn) {
  ParsedDsn parsed;
  if (has_unescaped_password(dsn.reveal())) {
    parsed.problem = "user and password must be percent-encoded: '@' is %40, '/' is %2F, ':' is %3A";
    return parsed;
  }
  char* message = nullptr;
  PQconninfoOption* options = PQconninfoParse(dsn.reveal().c_str(), &message);
  if (options == nullptr) {
    // libpq quotes what it could not read, which may be the password: only its own words are kept.
    std::string_view text = message != nullptr ? message : "out of memory";
    parsed.problem = text.substr(0, text.find('"'));
    while (!parsed.problem.empty() && (parsed.problem.back() == ' ' || parsed.problem.back() == '\n'))
      parsed.problem.pop_back();
    // 'missing "=" after "mysql://..."'
    if (parsed.problem == "missing")
      parsed.problem = dsn.reveal().find("://") != std::string::npos ? "it does not begin with postgresql://"
                                                                     : "a word of it has no '='";
  }
  for (PQconninfoOption* at = options; at != nullptr && at->keyword != nullptr; ++at)
    if (at->val != nullptr) parsed.words[at->keyword] = at->val;
  PQconninfoFree(options);
  PQfreemem(message);
  return parsed;
}

struct Freer {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, Freer>;

ServerError error_of(const PGresult* result) {
  auto field = [result](int code) {
    const char* text = PQresultErrorField(result, code);
    return std::string(text != nullptr ? text : "");
  };
  return {field(PG_DIAG_SQLSTATE), field(PG_DIAG_MESSAGE_PRIMARY), field(PG_DIAG_MESSAGE_DETAIL),
          field(PG_DIAG_MESSAGE_HINT)};
}

int milliseconds_until(SteadyTime deadline) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<long>(left, 0, 60'000));
}

}  // namespace

std::optional<std::string> dsn_problem(const config::Secret& dsn) {
  std::string problem = parse(dsn).problem;
  return problem.empty() ? std::nullopt : std::optional(problem);
}

Session::Session(const Options& options) : stop_fd_(options.stop_fd), answer_time_(options.answer_time) {
  try {
    connect(options);
    force_time_limits_off();
  } catch (...) {
    PQfinish(connection_);
    throw;
  }
}

Session::~Session() { PQfinish(connection_); }

void Session::connect(const Options& options) {
  ParsedDsn dsn = parse(options.dsn);
  if (!dsn.problem.empty())
    throw Error(ErrorKind::config, "reading the dsn: " + dsn.problem,
                "write postgresql://user:password@host:port/database, or host=... user=... dbname=...");
  auto& words = dsn.words;
  words["replication"] = options.replication ? "database" : "false";
  words["client_encoding"] = "UTF8";
  words["gssencmode"] = "disable";  // its framing would stand between us and the socket (wire.cc)
  words["options"] = words["options"].empty() ? kSettings : words["options"] + " " + kSettings;
  if (options.read_only) words["options"] += " -c default_transaction_read_only=on";
  words.try_emplace("application_name", options.application);
  words.try_emplace("keepalives_idle", "30");
  words.try_emplace("keepalives_interval", "10");
  words.try_emplace("keepalives_count", "3");
  words.try_emplace("tcp_user_timeout", "60000");
  if (options.same_as != nullptr) {
    words["host"] = PQhost(options.same_as->connection_);
    words["hostaddr"] = PQhostaddr(options.same_as->connection_);
    words["port"] = PQport(options.same_as->connection_);
    if (words["hostaddr"].empty()) words.erase("hostaddr");
  }
  std::vector<const char*> names, values;
  for (const auto& [name, value] : words) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);

  connection_ = PQconnectStartParams(names.data(), values.data(), 0);
  if (connection_ == nullptr) throw std::bad_alloc();
  PQsetErrorVerbosity(connection_, PQERRORS_VERBOSE);  // for the SQLSTATE, which comes in no other way
  std::size_t hosts = 1 + static_cast<std::size_t>(std::count(words["host"].begin(), words["host"].end(), ','));
  SteadyTime deadline = std::chrono::steady_clock::now() + kConnectTime * hosts;
  auto state = PQstatus(connection_) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED) throw connect_error(scrub(PQerrorMessage(connection_)), words["user"]);
    if (!wait(state == PGRES_POLLING_WRITING, milliseconds_until(deadline)))
      throw Error(ErrorKind::unavailable, "connecting to PostgreSQL at " + where() + ": no answer",
                  "check host, port and firewalls");
    state = PQconnectPoll(connection_);
  }
  PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
  if (PQsetnonblocking(connection_, 1) != 0) throw std::bad_alloc();
  PQsetNoticeProcessor(
      connection_, [](void*, const char*) {}, nullptr);
}

// These came with later versions, and an unknown name in the startup packet would refuse the connection.
void Session::force_time_limits_off() {
  std::string sql;
  if (server_version() >= 140000) sql += "SET idle_session_timeout = 0;";
  if (server_version() >= 170000) sql += "SET transaction_timeout = 0;";
  if (!sql.empty()) query("setting up the session", sql);
}

bool Session::wait(bool for_write, int timeout_ms) {
  // While connecting libpq wants the one or the other, later it must read to be able to write.
  short events = !for_write ? POLLIN : PQstatus(connection_) == CONNECTION_OK ? POLLIN | POLLOUT : POLLOUT;
  std::array<pollfd, 2> fds{{{PQsocket(connection_), events, 0}, {stop_fd_, POLLIN, 0}}};
  int ready = ::poll(fds.data(), fds.size(), timeout_ms);
  if (fds[1].revents != 0) throw Stopped{};
  return ready > 0 || (ready < 0 && errno == EINTR);
}

Rows Session::query(std::string_view doing, const std::string& sql, const OnSlow& slow, std::string remedy) {
  if (PQsendQuery(connection_, sql.c_str()) == 0)
    throw Error(ErrorKind::unavailable, std::string(doing) + ": " + scrub(PQerrorMessage(connection_)));
  SteadyTime now = std::chrono::steady_clock::now();
  SteadyTime deadline = now + (slow ? Duration(2s) : Duration(answer_time_));
  try {
    for (int unsent = PQflush(connection_); unsent != 0 || PQisBusy(connection_) != 0; unsent = PQflush(connection_)) {
      if (unsent < 0 || PQconsumeInput(connection_) == 0)
        throw Error(ErrorKind::unavailable, std::string(doing) + ": " + scrub(PQerrorMessage(connection_)));
      if (unsent == 0 && PQisBusy(connection_) == 0) break;
      if (wait(unsent != 0, milliseconds_until(deadline))) continue;
      if (!slow)
        throw Error(ErrorKind::unavailable,
                    fmt::format("{}: the server did not answer within {} s", doing, answer_time_.count()));
      if (std::chrono::steady_clock::now() < deadline) continue;
      slow();
      deadline = std::chrono::steady_clock::now() + 10s;
    }
  } catch (const Stopped&) {
    // A statement that waits for locks would go on without us, and might leave a slot behind.
    if (slow) {
      PGcancel* cancel = PQgetCancel(connection_);
      char message[256];
      PQcancel(cancel, message, sizeof message);
      PQfreeCancel(cancel);
    }
    throw;
  }
  return collect(doing, remedy);
}

Rows Session::collect(std::string_view doing, const std::string& remedy) {
  Rows rows;
  std::optional<ServerError> failed;
  while (Answer answer{PQgetResult(connection_)}) {
    if (auto status = PQresultStatus(answer.get()); status == PGRES_TUPLES_OK) {
      rows.clear();
      for (int row = 0; row < PQntuples(answer.get()); ++row) {
        auto& values = rows.emplace_back();
        for (int column = 0; column < PQnfields(answer.get()); ++column) {
          if (PQgetisnull(answer.get(), row, column) != 0)
            values.emplace_back();
          else
            values.emplace_back(std::string(PQgetvalue(answer.get(), row, column),
                                            static_cast<std::size_t>(PQgetlength(answer.get(), row, column))));
        }
      }
    } else if (status != PGRES_COMMAND_OK && !failed) {
      failed = error_of(answer.get());
      if (failed->message.empty()) failed->message = scrub(PQerrorMessage(connection_));
    }
  }
  if (!failed) return rows;
  // A statement list that opened a transaction block leaves it open when it fails.
  if (PQtransactionStatus(connection_) == PQTRANS_INERROR) query("rolling back", "ROLLBACK");
  throw to_error(doing, *failed, remedy);
}

std::string Session::value(std::string_view doing, const std::string& sql) {
  Rows rows = query(doing, sql);
  return rows.empty() || rows[0].empty() ? std::string() : rows[0][0].value_or("");
}

std::string Session::literal(std::string_view text) const {
  std::unique_ptr<char, void (*)(void*)> quoted(PQescapeLiteral(connection_, text.data(), text.size()), PQfreemem);
  if (!quoted) throw Error(ErrorKind::config, "quoting a name: it is not valid UTF-8");
  return quoted.get();
}

std::string Session::identifier(std::string_view text) const {
  std::unique_ptr<char, void (*)(void*)> quoted(PQescapeIdentifier(connection_, text.data(), text.size()), PQfreemem);
  if (!quoted) throw Error(ErrorKind::config, "quoting a name: it is not valid UTF-8");
  return quoted.get();
}

int Session::server_version() const { return PQserverVersion(connection_); }

std::string Session::user() const {
  const char* user = PQuser(connection_);
  return user != nullptr ? user : "";
}

std::string Session::database() const {
  const char* database = PQdb(connection_);
  return database != nullptr ? database : "";
}

std::string Session::parameter(const char* name) const {
  const char* value = PQparameterStatus(connection_, name);
  return value != nullptr ? value : "";
}

int Session::backend_pid() const { return PQbackendPID(connection_); }

bool Session::crosses_network_in_plain_text() const {
  if (tls() != nullptr) return false;
  std::string_view address = PQhostaddr(connection_);
  return !address.empty() && !address.starts_with("127.") && address != "::1" && !address.starts_with('/');
}

std::string Session::where() const {
  const char* host = PQhost(connection_);
  const char* port = PQport(connection_);
  return std::string(host != nullptr ? host : "") + ":" + (port != nullptr ? port : "");
}

int Session::socket() const { return PQsocket(connection_); }

void* Session::tls() const { return PQsslInUse(connection_) != 0 ? PQsslStruct(connection_, "OpenSSL") : nullptr; }

std::string Session::scrub(std::string text) const {
  const char* password = PQpass(connection_);
  std::string_view secret = password != nullptr ? password : "";
  if (secret.size() >= 3)
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3))
      text.replace(at, secret.size(), config::Secret::kMask);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace deltaforge::sources::postgres
