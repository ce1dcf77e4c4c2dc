// One authenticated connection to the server, for statements, made by libmariadb. wire.h takes such a session over for
// the binary log. Source thread only. Every wait ends at once when the stop signal comes, by throwing Stopped.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sources/mysql/dsn.h"

struct st_mysql;

namespace deltaforge::sources::mysql {

// The pipeline wants the source to end; thrown out of waits, caught in MySql::run. Not an error.
struct Stopped {};

using Rows = std::vector<std::vector<std::optional<std::string>>>;

class Session {
 public:
  struct Options {
    Dsn dsn;
    std::string application;  // what performance_schema.session_connect_attrs shows
    int stop_fd = -1;         // readable when the source must end
    bool read_only = false;   // every transaction, for who only looks
    unsigned answer_seconds = 30;
  };
  // Throws Error, or Stopped.
  explicit Session(const Options&);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Runs one statement, at most answer_seconds. `doing` opens the message of the Error that it throws. After an
  // Error{unavailable} the session may be unusable.
  Rows query(std::string_view doing, const std::string& sql, std::string remedy = {});
  // The first value of the answer; empty when it is NULL or there is no row.
  std::string value(std::string_view doing, const std::string& sql);
  std::string literal(std::string_view) const;

  std::string server_version() const;  // "9.7.4", "10.11.19-MariaDB-0+deb12u1"
  bool is_mariadb() const;
  // Rows and password can be read by others on the way.
  bool crosses_network_in_plain_text() const;
  std::string where() const { return dsn_.where(); }

  // For wire.cc, which takes the stream over. The session keeps owning both.
  int socket() const;
  void* tls() const;  // SSL*, or null

 private:
  void connect(const Options&);
  bool try_to_connect(const Options&, bool with_tls);
  // Drives one call of the library that has to wait: `status` says for what. Returns what has happened.
  int wait(int status) const;
  void close() noexcept;

  Dsn dsn_;
  int stop_fd_;
  st_mysql* connection_ = nullptr;
};

}  // namespace deltaforge::sources::mysql
