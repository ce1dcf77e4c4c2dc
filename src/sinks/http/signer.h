// Signs requests: HMAC-SHA-256 of `<timestamp>.<body>`, as lower-case hex. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "config/secret.h"

struct evp_mac_ctx_st;

namespace deltaforge::sinks::http {

class Signer {
 public:
  explicit Signer(const config::Secret&);
  ~Signer();
  std::string sign(std::string_view timestamp, std::string_view body);

 private:
  struct Free {
    void operator()(evp_mac_ctx_st*) const;
  };
  std::unique_ptr<evp_mac_ctx_st, Free> context_;
};

}  // namespace deltaforge::sinks::http
