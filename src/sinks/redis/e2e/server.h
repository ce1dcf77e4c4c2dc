// A real server for tests: loopback ports, its own temporary directory, an append-only file that is synced with every
// write. Debian's Redis 7.0, or the one of ./dev setup that DF_REDIS names: redis8, valkey. Driven and read by
// redis-cli, which is none of our code.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace deltaforge::sinks::redis::e2e {

// Field and value, in order.
using Entry = std::vector<std::pair<std::string, std::string>>;

class Server {
 public:
  static constexpr const char* kUser = "app";
  static constexpr const char* kPassword = "canary-acl-51c9";

  Server();
  ~Server();
  // The one that all tests share; started at first use.
  static Server& shared();

  void start();  // waits until it answers
  void kill();   // kill -9
  // After a crash inside an EXEC its log ends in half of it, which would be seen from the second start on (the sink's
  // README). A new log has only what is there.
  void rewrite_log() const;
  // As if the network were cut: connections stay open, nothing is answered.
  void freeze(bool on);

  int port() const { return port_; }
  std::string uri() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  // The certificate is for localhost.
  std::string tls_uri(const std::string& host = "localhost") const {
    return "rediss://" + host + ":" + std::to_string(tls_port_);
  }
  std::string user_uri(const std::string& password = kPassword) const {
    return "redis://" + std::string(kUser) + ":" + password + "@127.0.0.1:" + std::to_string(port_);
  }
  std::string ca_file() const { return directory_ + "/ca.pem"; }

  // A stream of a new name, not there yet.
  std::string new_stream();
  // What redis-cli prints for a command, one word an argument.
  std::string cli(const std::vector<std::string>& command, int database = 0) const;
  void set(const std::string& name, const std::string& value) const;
  // From now on kUser may do no more than this ("~* +@all").
  void allow_only(const std::vector<std::string>& rules) const;
  // How often a command was run since the last reset().
  long calls(const std::string& command) const;
  void reset() const { cli({"CONFIG", "RESETSTAT"}); }

  std::vector<Entry> read(const std::string& stream, int database = 0) const;
  // The field `event` of each entry.
  std::vector<std::string> events(const std::string& stream) const;

 private:
  std::string directory_;
  int port_ = 0, tls_port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace deltaforge::sinks::redis::e2e
