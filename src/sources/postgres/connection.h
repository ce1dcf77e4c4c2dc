// One authenticated connection to the server, for statements. Made by libpq, with our session settings: they go into
// the startup packet, where they beat ALTER DATABASE and ALTER ROLE ... SET, because they decide how values print.
// Source thread only. Every wait ends at once when the stop signal comes, by throwing Stopped.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/secret.h"

struct pg_conn;

namespace deltaforge::sources::postgres {

// The pipeline wants the source to end; thrown out of waits, caught in Postgres::run. Not an error.
struct Stopped {};

using Rows = std::vector<std::vector<std::optional<std::string>>>;

class Session {
 public:
  struct Options {
    config::Secret dsn;
    bool replication = false;          // a walsender: takes simple SQL and the replication commands
    std::string application;           // what pg_stat_activity shows
    int stop_fd = -1;                  // readable when the source must end
    const Session* same_as = nullptr;  // connect to that very server: the dsn may list several
    bool read_only = false;            // every transaction, for who only looks
    std::chrono::seconds answer_time{30};
  };
  // Throws Error, or Stopped.
  explicit Session(const Options&);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // A statement that may take long: called after 2 s and every 10 s from then on.
  using OnSlow = std::function<void()>;

  // Runs one statement. `doing` opens the message of the Error that it throws: "creating the publication p". With
  // `slow` it waits for ever, else answer_time. After an Error{unavailable} the session may be unusable.
  Rows query(std::string_view doing, const std::string& sql, const OnSlow& slow = {}, std::string remedy = {});
  // The one value of a one-row answer; empty when it is NULL or there is no row.
  std::string value(std::string_view doing, const std::string& sql);

  std::string literal(std::string_view) const;
  std::string identifier(std::string_view) const;

  int server_version() const;  // 150018
  std::string user() const;
  std::string database() const;
  std::string parameter(const char* name) const;  // as the server reported it: "server_encoding"
  int backend_pid() const;
  // Rows and password can be read by others on the way.
  bool crosses_network_in_plain_text() const;
  std::string where() const;  // "host:port"

  // For wire.cc, which takes the stream over. The session keeps owning both.
  int socket() const;
  void* tls() const;  // SSL*, or null

 private:
  void connect(const Options&);
  void force_time_limits_off();
  // False: the deadline came.
  bool wait(bool for_write, int timeout_ms);
  std::string scrub(std::string text) const;  // without the password
  Rows collect(std::string_view doing, const std::string& remedy);

  pg_conn* connection_ = nullptr;
  int stop_fd_ = -1;
  std::chrono::seconds answer_time_;
};

// Whether libpq can read it; else why, without a word of it.
std::optional<std::string> dsn_problem(const config::Secret& dsn);

}  // namespace deltaforge::sources::postgres
