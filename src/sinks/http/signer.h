// Signs requests: HMAC-SHA-256 of `<timestamp>.<body>`, as lower-case hex. One thread.
#pragma once

#include <string>
#include <string_view>

#include "base/hmac.h"
#include "config/secret.h"

namespace deltaforge::sinks::http {

class Signer {
 public:
  explicit Signer(const config::Secret& secret) : hmac_(secret.reveal()) {}
  std::string sign(std::string_view timestamp, std::string_view body);

 private:
  Hmac hmac_;
};

}  // namespace deltaforge::sinks::http
