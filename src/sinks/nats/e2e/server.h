// A real server with JetStream for tests: loopback ports, its own temporary directory. Debian's nats-server 2.9, or the
// one of ./dev setup that DF_NATS names: nats-new. Driven and read by the client library alone, with none of our code.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace deltaforge::sinks::nats::e2e {

struct Stored {
  std::string subject, payload;
  std::map<std::string, std::string> headers;
};

class Server {
 public:
  static constexpr const char* kUser = "app";
  static constexpr const char* kPassword = "canary-nats-51c9";

  // `more`: further lines of the server's configuration. Whoever gives no name is the user `open`, with all rights.
  explicit Server(const std::string& more = "");
  ~Server();
  Server(const Server&) = delete;
  // The one that all tests share; started at first use.
  static Server& shared();
  // One that speaks TLS only; its certificate is for localhost.
  static Server& with_tls();

  void start();  // waits until it answers
  void kill();   // kill -9
  // As if the network were cut: connections stay open, nothing is answered.
  void freeze(bool on);
  // What `kUser` may publish to: "[\"orders.>\"]".
  void allow_only(const std::string& subjects);

  std::string url(const std::string& host = "127.0.0.1") const {
    return "nats://" + host + ":" + std::to_string(port_);
  }
  std::string user_url(const std::string& password = kPassword) const;
  std::string ca_file() const { return directory_ + "/ca.pem"; }

  // A stream of a new name, which is its subject's first part, too. `more`: further members of its configuration.
  std::string new_stream(const std::string& more = "");
  void create(const std::string& stream, const std::string& subjects, const std::string& more = "") const;
  void change(const std::string& stream, const std::string& subjects, const std::string& more) const;
  // Of JetStream's API; throws std::runtime_error for errors.
  std::string api(const std::string& what, const std::string& request = "") const;
  void publish(const std::string& subject, const std::string& payload) const;

  std::vector<Stored> read(const std::string& stream) const;
  std::vector<std::string> events(const std::string& stream) const;

 private:
  void write_config() const;

  std::string directory_, more_, rights_ = "[\">\"]";
  bool tls_ = false;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace deltaforge::sinks::nats::e2e
