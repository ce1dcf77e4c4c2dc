// One HTTP listener. A connection has a thread with a small stack, so that a slow request (a stop that drains) never
// delays a health probe; connections, header and body sizes and idle times are bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/address.h"

namespace deltaforge::server {

struct Request {
  std::string method;
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string allow;  // the Allow header of a 405
};

// Called on any number of threads at once. What it throws is answered with 500.
using Handler = std::function<Response(const Request&)>;

class HttpServer {
 public:
  static constexpr unsigned kMaxConnections = 256;
  static constexpr std::size_t kMaxBody = 1024 * 1024;

  // Listens from here on. `option` names the flag in the Error when it cannot.
  HttpServer(const Address&, std::string_view option, Handler);
  // Lets running handlers finish.
  ~HttpServer();
  std::uint16_t port() const { return port_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::uint16_t port_ = 0;
};

}  // namespace deltaforge::server
