#include "server/health.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/fd.h"
#include "server/cli.h"
#include "server/private_file.h"

namespace deltaforge::server {

namespace {

constexpr std::size_t kMaxAnswer = 64 * 1024;

template <class T, void (*release)(T*)>
struct Release {
  void operator()(T* object) const { release(object); }
};
using Context = std::unique_ptr<SSL_CTX, Release<SSL_CTX, SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Release<SSL, SSL_free>>;
using Certificate = std::unique_ptr<X509, Release<X509, X509_free>>;

Error no_answer(const std::string& why, const std::string& hint) { return {ErrorKind::unavailable, why, hint}; }

Fd dial(const Address& address, std::chrono::seconds limit) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) throw no_answer(gai_strerror(failed), "give the --api-addr that the engine was started with");
  std::unique_ptr<addrinfo, Release<addrinfo, freeaddrinfo>> owner(found);

  Fd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval time{limit.count(), 0};  // of each step: SO_SNDTIMEO bounds connect(), too
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  if (connect(fd.get(), found->ai_addr, found->ai_addrlen) != 0)
    throw no_answer(errno == EINPROGRESS ? "no connection in time" : std::strerror(errno),
                    "is it running, and is this its --api-addr?");
  return fd;
}

Certificate certificate_in(const std::string& path) {
  const std::string text = read_file(path, "--api-tls-cert");
  std::unique_ptr<BIO, Release<BIO, BIO_free_all>> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) throw no_answer(path + " holds no PEM certificate", "give the --api-tls-cert of the engine");
  return certificate;
}

// One connection, with TLS or without.
class Link {
 public:
  Link(const Address& address, const std::string& tls_certificate, std::chrono::seconds limit)
      : fd_(dial(address, limit)) {
    if (!tls_certificate.empty()) encrypt(tls_certificate);
  }

  void send(const std::string& text) {
    const auto sent = session_ ? SSL_write(session_.get(), text.data(), static_cast<int>(text.size()))
                               : ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(text.size())) throw no_answer("the connection was closed", "");
  }

  // Until the other side closes, or says no more in time.
  std::string receive() {
    std::string text;
    std::array<char, 4096> part;
    while (text.size() < kMaxAnswer) {
      const auto got = session_ ? SSL_read(session_.get(), part.data(), static_cast<int>(part.size()))
                                : recv(fd_.get(), part.data(), part.size(), 0);
      if (got <= 0) break;
      text.append(part.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  // The certificate is compared as a whole: neither its names nor its issuer need be known here.
  void encrypt(const std::string& path) {
    const Certificate expected = certificate_in(path);
    context_.reset(SSL_CTX_new(TLS_client_method()));
    session_.reset(SSL_new(context_.get()));
    if (!session_ || SSL_set_fd(session_.get(), fd_.get()) != 1 || SSL_connect(session_.get()) != 1)
      throw no_answer("no TLS is spoken there", "leave --api-tls-cert out if the engine was started without it");
    const Certificate shown(SSL_get1_peer_certificate(session_.get()));
    if (!shown || X509_cmp(shown.get(), expected.get()) != 0)
      throw no_answer("it shows another certificate than that in " + path,
                      "give the --api-tls-cert of the engine; a new file counts after its next start");
  }

  Fd fd_;
  Context context_;
  Session session_;
};

}  // namespace

int health(const Address& api, const std::string& tls_certificate, std::ostream& out, std::ostream& err,
           std::chrono::seconds limit) try {
  ::signal(SIGPIPE, SIG_IGN);  // of a connection that is closed while we write
  Link link(api, tls_certificate, limit);
  link.send("GET /health HTTP/1.1\r\nHost: " + api.to_string() + "\r\nConnection: close\r\n\r\n");
  const std::string answer = link.receive();
  if (!answer.starts_with("HTTP/1.1 "))
    throw no_answer(answer.empty() ? "no answer in time" : "what answers there is not the engine",
                    "give its --api-addr, and --api-tls-cert if it was started with that");
  if (const auto body = answer.find("\r\n\r\n"); body != std::string::npos) out << answer.substr(body + 4) << "\n";
  return answer.starts_with("HTTP/1.1 200 ") ? kDone : kInvalid;
} catch (const Error& error) {
  err << "deltaforge health: asking " << api.to_string() << ": " << error.what() << "\n";
  return kInvalid;
}

}  // namespace deltaforge::server
