#include "net/tls.h"

#include <arpa/inet.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/error.h"
#include "net/socket.h"

namespace deltaforge::net {
namespace {

std::string last_problem() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  std::string text = reason != nullptr ? reason : "unknown TLS error";
  ERR_clear_error();
  return text;
}

[[noreturn]] void unusable(const std::string& field, const std::string& file) {
  throw Error(ErrorKind::config, "reading tls." + field + " " + file + ": " + last_problem(),
              "tls." + field + " is a PEM file that this process may read");
}

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> raw;
  return ::inet_pton(AF_INET, host.c_str(), raw.data()) == 1 || ::inet_pton(AF_INET6, host.c_str(), raw.data()) == 1;
}

// Why the server is not trusted, or what else went wrong.
std::string handshake_problem(SSL* session) {
  const long verdict = SSL_get_verify_result(session);
  const std::string problem = last_problem();
  return verdict == X509_V_OK ? problem : X509_verify_cert_error_string(verdict);
}

}  // namespace

Tls::Tls(const config::Tls& config) : config_(config), context_(SSL_CTX_new(TLS_client_method())) {
  if (context_ == nullptr) throw std::bad_alloc();
  try {
    ERR_clear_error();
    SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
    SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context_, config.insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
    if (config.ca_file.empty())
      SSL_CTX_set_default_verify_paths(context_);
    else if (SSL_CTX_load_verify_locations(context_, config.ca_file.c_str(), nullptr) != 1)
      unusable("ca_file", config.ca_file);
    if (!config.cert_file.empty() && SSL_CTX_use_certificate_chain_file(context_, config.cert_file.c_str()) != 1)
      unusable("cert_file", config.cert_file);
    if (!config.key_file.empty() &&
        SSL_CTX_use_PrivateKey_file(context_, config.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
      unusable("key_file", config.key_file);
  } catch (...) {
    SSL_CTX_free(context_);
    throw;
  }
}

Tls::~Tls() {
  SSL_free(session_);
  SSL_CTX_free(context_);
}

void Tls::handshake(int fd, const std::string& host, const std::string& where, SteadyTime deadline, const Peer& peer) {
  const std::string doing = fmt::format("{} {}: ", peer.opening_tls, where), plain(peer.plain_hint);
  session_ = SSL_new(context_);
  if (session_ == nullptr) throw std::bad_alloc();
  SSL_set_fd(session_, fd);
  if (is_address(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session_), host.c_str());
  } else {
    SSL_set_tlsext_host_name(session_, host.c_str());
    SSL_set_hostflags(session_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(session_, host.c_str());
  }
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const int ok = SSL_connect(session_);
    if (ok == 1) return;
    const int failure = SSL_get_error(session_, ok);
    if (failure == SSL_ERROR_WANT_READ || failure == SSL_ERROR_WANT_WRITE) {
      if (wait_for(fd, failure == SSL_ERROR_WANT_WRITE, deadline)) continue;
      throw Error(ErrorKind::unavailable, doing + "no answer in time", plain);
    }
    // A server that goes away in the middle is none that must not be trusted.
    const bool gone =
        failure == SSL_ERROR_SYSCALL || ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (gone) throw Error(ErrorKind::unavailable, doing + (errno != 0 ? std::strerror(errno) : "the server closed it"));
    throw Error(
        ErrorKind::auth, doing + handshake_problem(session_),
        fmt::format("check the host in `{}`, tls.ca_file, tls.cert_file and tls.key_file; {}", peer.field, plain));
  }
}

}  // namespace deltaforge::net
