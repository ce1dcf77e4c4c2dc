#include "base/link.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/error.h"

namespace deltaforge {
namespace {

SSL* ssl(void* tls) { return static_cast<SSL*>(tls); }

std::string tls_problem() {
  if (errno != 0) return std::strerror(errno);
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason != nullptr ? std::string("TLS failed: ") + reason : "TLS failed, or the server closed it";
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

std::size_t Link::read(std::span<std::byte> to) {
  if (tls_ != nullptr) return read_tls(to);
  for (;;) {
    ssize_t got = ::recv(fd_, to.data(), to.size(), MSG_DONTWAIT);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) lost("the server closed it");
    if (would_block()) return 0;
    if (errno != EINTR) lost(std::strerror(errno));
  }
}

std::size_t Link::read_tls(std::span<std::byte> to) {
  ERR_clear_error();
  errno = 0;
  std::size_t got = 0;
  int ok = SSL_read_ex(ssl(tls_), to.data(), to.size(), &got);
  wants_write_ = false;
  if (ok == 1) return got;
  switch (SSL_get_error(ssl(tls_), ok)) {
    case SSL_ERROR_WANT_READ: return 0;
    case SSL_ERROR_WANT_WRITE: wants_write_ = true; return 0;
    case SSL_ERROR_ZERO_RETURN: lost("the server closed it");
    default: lost(tls_problem());
  }
}

std::size_t Link::write(Bytes from) {
  if (tls_ != nullptr) return write_tls(from);
  for (;;) {
    ssize_t sent = ::send(fd_, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (would_block()) return 0;
    if (errno != EINTR) lost(std::strerror(errno));
  }
}

std::size_t Link::write_tls(Bytes from) {
  ERR_clear_error();
  errno = 0;
  std::size_t sent = 0;
  int ok = SSL_write_ex(ssl(tls_), from.data(), from.size(), &sent);
  if (ok == 1) return sent;
  int error = SSL_get_error(ssl(tls_), ok);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
  lost(tls_problem());
}

void Link::lost(const std::string& why) const { throw Error(ErrorKind::unavailable, name_ + " was lost: " + why); }

}  // namespace deltaforge
