// One request at a time, and what came of it: its buffers, and libcurl's handle with all that never changes set once.
// Lane thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "sinks/http/config.h"
#include "sinks/http/header_block.h"

struct curl_sockaddr;

namespace deltaforge::sinks::http {

struct Unit;

// What every handle of the sink is told: TLS, time-outs, no redirects, no proxy. `easy` is a CURL*.
void set_up_connections(void* easy, const Config&);

class Exchange {
 public:
  explicit Exchange(const Config&);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  // Only while it is not with a Transport.
  ~Exchange();

  // To be filled in, and left alone until the request has ended.
  std::string url, body;
  HeaderBlock headers;
  bool public_only = false;  // the connection may only go to an address that belongs to everybody
  Unit* unit = nullptr;

  void* handle() { return easy_; }
  // Right before it is started.
  void begin();
  static Exchange& of(void* easy);

  struct Answer {
    int failure = 0;    // a CURLcode; 0: there is a status
    bool sent = false;  // some of the request
    long status = 0;
    std::string text;  // what went wrong, for people; empty when all is well
    std::chrono::seconds retry_after{0};
    bool private_address = false;  // the guard has refused the connection
  };
  // `code`: the CURLcode with which it has ended.
  Answer answer(int code) const;

 private:
  static int open_socket(void* self, curl_sockaddr* address);
  static std::size_t take_body(char* data, std::size_t size, std::size_t count, void* self);

  void* easy_;
  std::size_t received_ = 0;
  std::string refused_address_;
  bool tried_ = false;  // an address that is allowed
  char error_[256];     // CURL_ERROR_SIZE
};

}  // namespace deltaforge::sinks::http
