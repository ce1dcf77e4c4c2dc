// A server for tests, in Python and in a process of its own: tests/harness/webhook_receiver.py says what it can do.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace deltaforge::sinks::http::e2e {

struct Request {
  std::string method, path, body;
  std::map<std::string, std::string> headers;  // names in lower case
  int status = 0;                              // of the answer; 0: none
  int link = 0;
  double begin = 0, end = 0;  // seconds
};

class Receiver {
 public:
  explicit Receiver(std::string token = "");
  ~Receiver();
  // The one that all tests share; started at first use.
  static Receiver& shared();

  void start();  // waits until it answers
  void kill();
  // As if the network were cut: connections stay open, nothing is answered.
  void freeze(bool on);
  // A JSON list; see there.
  void rules(const std::string& list) const;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // The certificate is for localhost.
  std::string tls_url(const std::string& host = "localhost") const {
    return "https://" + host + ":" + std::to_string(tls_port_);
  }
  std::string ca_file() const { return directory_ + "/ca.pem"; }
  // A path that nobody has used yet, with a slash before it.
  static std::string new_path();

  std::vector<Request> requests(const std::string& path) const;
  // Of those that were taken, the events: of arrays each.
  std::vector<std::string> events(const std::string& path) const;

 private:
  std::string token_, directory_;
  int port_ = 0, tls_port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace deltaforge::sinks::http::e2e
