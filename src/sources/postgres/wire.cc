#include "sources/postgres/wire.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/error.h"

namespace deltaforge::sources::postgres {
namespace {

constexpr int kReceiveBuffer = 4 * 1024 * 1024;
// Status messages are 39 bytes: if so many wait, the server has not read for hours.
constexpr std::size_t kMostUnsent = 64 * 1024;

// On TCP a large receive buffer lets the server run ahead while we pause between reads (performance.md section 2).
// FORCE passes the system's limit and needs root.
void enlarge_receive_buffer(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.ss_family == AF_UNIX) return;
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
}

SSL* ssl(void* tls) { return static_cast<SSL*>(tls); }

}  // namespace

Wire::Wire(Session& session, Placer& placer)
    : fd_(session.socket()), tls_(session.tls()), where_(session.where()), frames_(placer) {
  enlarge_receive_buffer(fd_);
}

void Wire::send_query(std::string_view sql) { queue('Q', as_bytes(std::string(sql) + '\0')); }

void Wire::send_copy_data(Bytes body) { queue('d', body); }

void Wire::queue(char type, Bytes body) {
  if (unsent_.size() > kMostUnsent) lost("it takes no more of our status messages");
  auto length = static_cast<std::uint32_t>(body.size() + 4);
  unsent_ += type;
  for (int shift = 24; shift >= 0; shift -= 8) unsent_ += static_cast<char>(length >> shift);
  unsent_ += as_text(body);
  flush();
}

void Wire::flush() {
  while (!unsent_.empty()) {
    std::size_t sent = write_some(as_bytes(unsent_));
    if (sent == 0) return;
    unsent_.erase(0, sent);
  }
}

void Wire::say_goodbye() noexcept {
  try {
    queue('X', {});
  } catch (const Error&) {  // it is gone already, which is what we want
  }
}

short Wire::events() const { return static_cast<short>(POLLIN | (!unsent_.empty() || tls_wants_write_ ? POLLOUT : 0)); }

std::size_t Wire::fill() {
  std::size_t total = 0;
  drained_ = false;
  for (;;) {
    std::span<std::byte> space = frames_.space();
    if (space.empty()) return total;
    std::size_t got = read_some(space);
    if (got == 0) {
      drained_ = true;
      return total;
    }
    frames_.filled(got);
    total += got;
    // TLS hands out one record at a time; a short read of a plain socket says that there is no more.
    if (tls_ == nullptr && got < space.size()) {
      drained_ = true;
      return total;
    }
  }
}

std::size_t Wire::read_some(std::span<std::byte> to) {
  if (tls_ == nullptr) {
    for (;;) {
      ssize_t got = ::recv(fd_, to.data(), to.size(), MSG_DONTWAIT);
      if (got > 0) return static_cast<std::size_t>(got);
      if (got == 0) lost("the server closed it");
      if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
      if (errno != EINTR) lost(std::strerror(errno));
    }
  }
  ERR_clear_error();
  errno = 0;
  std::size_t got = 0;
  int ok = SSL_read_ex(ssl(tls_), to.data(), to.size(), &got);
  tls_wants_write_ = false;
  if (ok == 1) return got;
  switch (SSL_get_error(ssl(tls_), ok)) {
    case SSL_ERROR_WANT_READ: return 0;
    case SSL_ERROR_WANT_WRITE: tls_wants_write_ = true; return 0;
    case SSL_ERROR_ZERO_RETURN: lost("the server closed it");
    default: lost(errno != 0 ? std::strerror(errno) : "TLS failed, or the server closed it");
  }
}

std::size_t Wire::write_some(Bytes from) {
  if (tls_ == nullptr) {
    for (;;) {
      ssize_t sent = ::send(fd_, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) return static_cast<std::size_t>(sent);
      if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
      if (errno != EINTR) lost(std::strerror(errno));
    }
  }
  ERR_clear_error();
  errno = 0;
  std::size_t sent = 0;
  int ok = SSL_write_ex(ssl(tls_), from.data(), from.size(), &sent);
  if (ok == 1) return sent;
  int error = SSL_get_error(ssl(tls_), ok);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
  lost(errno != 0 ? std::strerror(errno) : "TLS failed");
}

void Wire::lost(const std::string& why) const {
  throw Error(ErrorKind::unavailable, "the replication connection to " + where_ + " was lost: " + why);
}

}  // namespace deltaforge::sources::postgres
