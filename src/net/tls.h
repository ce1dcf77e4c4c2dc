// TLS on a connected socket, by OpenSSL: 1.2 or later, the server's chain and name are checked unless the
// configuration says otherwise. One thread.
#pragma once

#include <string>

#include "base/clock.h"
#include "config/tls.h"
#include "net/peer.h"

struct ssl_ctx_st;
struct ssl_st;

namespace deltaforge::net {

class Tls {
 public:
  // Throws Error{config} for files that cannot be used.
  explicit Tls(const config::Tls&);
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;
  ~Tls();

  // Throws Error{unavailable}: the server is away or too slow, Error{auth}: it cannot be trusted, or trusts not us.
  void handshake(int fd, const std::string& host, const std::string& where, SteadyTime deadline, const Peer&);
  // For Link; null before the handshake.
  ssl_st* session() const { return session_; }

 private:
  const config::Tls config_;
  ssl_ctx_st* context_ = nullptr;
  ssl_st* session_ = nullptr;
};

}  // namespace deltaforge::net
