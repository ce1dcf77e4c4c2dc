// One HTTP/1.1 listener, with or without TLS. A connection has a thread with a small stack, so that a slow request (a
// stop that drains) never delays a health probe. Connections, heads, bodies and the time that each may take are
// bounded; what is refused here is answered with code and message and closed. (Bytes that are no HTTP at all: see
// http_server.cc.)
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/address.h"
#include "server/tls_identity.h"

namespace deltaforge::server {

struct Request {
  std::string method;
  std::string path;                                        // percent-decoded, without control bytes
  std::vector<std::pair<std::string, std::string>> query;  // percent-decoded
  std::string body = {};                                   // whole, at most HttpServer::kMaxBody bytes
  // Values of headers as sent, empty when absent.
  std::string content_type = {};
  std::string authorization = {};
  std::string origin = {};
  std::string host = {};
  std::string peer = {};  // the other end's address, for people: "127.0.0.1"
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string allow;           // the Allow header of a 405
  std::string challenge = {};  // the WWW-Authenticate header of a 401
};

// Called on any number of threads at once. What it throws is answered with 500.
using Handler = std::function<Response(const Request&)>;

// How long a connection may take for each step, however busy it looks. While the handler runs there is no limit.
struct HttpLimits {
  std::chrono::milliseconds head{5'000};   // from the first connect, or a request's first line, to the end of its head
  std::chrono::milliseconds body{30'000};  // from there to the end of its body
  std::chrono::milliseconds idle{60'000};  // to take the answer; and again from there to the next request's first line
};

class HttpServer {
 public:
  static constexpr unsigned kMaxConnections = 256;
  static constexpr std::size_t kMaxBody = 1024 * 1024;         // bytes of one body; more is 413
  static constexpr std::size_t kMaxBodies = 32 * 1024 * 1024;  // bytes of all bodies in memory; more is 503

  // Listens from here on; with `tls` TLS 1.2 or later and nothing else. `option` names the flag in the Error when it
  // cannot.
  HttpServer(const Address&, std::string_view option, Handler, std::optional<TlsIdentity> tls = {}, HttpLimits = {});
  // Lets running handlers finish.
  ~HttpServer();
  std::uint16_t port() const { return port_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::uint16_t port_ = 0;
};

}  // namespace deltaforge::server
