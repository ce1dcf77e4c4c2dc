#include "sources/mysql/connection.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <memory>

#include <mysql.h>

#include <ma_pvio.h>  // wants mysql.h before it
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/error.h"
#include "base/link.h"
#include "sources/mysql/errors.h"

namespace deltaforge::sources::mysql {
namespace {

constexpr unsigned kConnectSeconds = 10;
// The library's own: TLS was asked for and cannot be had.
constexpr unsigned kTlsError = 2026;

ServerError error_of(MYSQL* connection) { return {mysql_errno(connection), mysql_error(connection)}; }

struct Freer {
  void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
  void operator()(BIO* file) const { BIO_free(file); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

void set_text(MYSQL* connection, mysql_option option, const std::string& value) {
  if (!value.empty()) mysql_optionsv(connection, option, value.c_str());
}

void set_tls(MYSQL* connection, const Dsn& dsn) {
  my_bool on = 1;
  mysql_optionsv(connection, MYSQL_OPT_SSL_ENFORCE, &on);
  // Where the server offers no TLS, the library would go on in plain text, and send the password so as if there were.
  // It refuses when it is given a fingerprint. An empty one is not compared with anything.
  mysql_optionsv(connection, MARIADB_OPT_SSL_FP, "");
  set_text(connection, MYSQL_OPT_SSL_CA, dsn.ssl_ca);
  set_text(connection, MYSQL_OPT_SSL_CAPATH, dsn.ssl_capath);
  set_text(connection, MYSQL_OPT_SSL_CERT, dsn.ssl_cert);
  set_text(connection, MYSQL_OPT_SSL_KEY, dsn.ssl_key);
  set_text(connection, MYSQL_OPT_SSL_CIPHER, dsn.ssl_cipher);
  set_text(connection, MARIADB_OPT_TLS_VERSION, dsn.tls_version);
  // The library checks the chain whenever it is given an authority, and the name with this option only.
  my_bool verify_name = dsn.ssl_mode == SslMode::verify_identity ? 1 : 0;
  mysql_optionsv(connection, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify_name);
  if (dsn.ssl_mode == SslMode::verify_ca && dsn.ssl_ca.empty() && dsn.ssl_capath.empty())
    set_text(connection, MYSQL_OPT_SSL_CAPATH, "/etc/ssl/certs");
}

// The library asks the server for its key when the file holds none: whoever named a file does not want that.
void check_public_key(const std::string& path) {
  if (path.empty()) return;
  std::unique_ptr<BIO, Freer> file(BIO_new_file(path.c_str(), "r"));
  std::unique_ptr<EVP_PKEY, Freer> key(file ? PEM_read_bio_PUBKEY(file.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!key)
    throw Error(ErrorKind::config, "reading the server's public key: there is none in " + path,
                "check server-public-key-path in the dsn: the file is the server's public_key.pem");
}

// The TLS session of the library. Its header with this type does not compile outside of it; the socket that the
// session knows proves that we looked at the right place.
struct TlsOfLibrary {
  void* data;
  MARIADB_PVIO* pvio;
  void* session;
};

}  // namespace

Session::Session(const Options& options) : dsn_(options.dsn), stop_fd_(options.stop_fd) {
  try {
    connect(options);
    if (options.read_only) query("setting up the session", "SET SESSION TRANSACTION READ ONLY");
  } catch (...) {
    close();
    throw;
  }
}

Session::~Session() { close(); }

void Session::close() noexcept {
  if (connection_ == nullptr) return;
  mysql_close(connection_);
  connection_ = nullptr;
}

void Session::connect(const Options& options) {
  check_public_key(dsn_.server_public_key);
  const bool with_tls = dsn_.ssl_mode != SslMode::disabled && dsn_.socket.empty();
  bool connected = try_to_connect(options, with_tls);
  if (!connected && with_tls && dsn_.tls_is_optional() && mysql_errno(connection_) == kTlsError) {
    close();
    connected = try_to_connect(options, false);
  }
  if (!connected) throw connect_error(where(), error_of(connection_), dsn_.user);
  if (with_tls && !dsn_.tls_is_optional() && mysql_get_ssl_cipher(connection_) == nullptr)
    throw connect_error(where(), {kTlsError, "this libmariadb connected without TLS"}, dsn_.user);
}

bool Session::try_to_connect(const Options& options, bool with_tls) {
  connection_ = mysql_init(nullptr);
  if (connection_ == nullptr) throw std::bad_alloc();
  mysql_optionsv(connection_, MYSQL_OPT_NONBLOCK, nullptr);
  mysql_optionsv(connection_, MYSQL_OPT_CONNECT_TIMEOUT, &kConnectSeconds);
  mysql_optionsv(connection_, MYSQL_OPT_READ_TIMEOUT, &options.answer_seconds);
  mysql_optionsv(connection_, MYSQL_OPT_WRITE_TIMEOUT, &options.answer_seconds);
  mysql_optionsv(connection_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_optionsv(connection_, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", options.application.c_str());
  unsigned no_files = 0;
  mysql_optionsv(connection_, MYSQL_OPT_LOCAL_INFILE, &no_files);
  set_text(connection_, MYSQL_SERVER_PUBLIC_KEY, dsn_.server_public_key);
  if (with_tls) set_tls(connection_, dsn_);

  const char* host = dsn_.socket.empty() ? dsn_.host.c_str() : nullptr;
  // Otherwise the library takes "localhost" for the standard socket.
  const unsigned tcp = MYSQL_PROTOCOL_TCP;
  if (host != nullptr) mysql_optionsv(connection_, MYSQL_OPT_PROTOCOL, &tcp);
  MYSQL* connected = nullptr;
  int status =
      mysql_real_connect_start(&connected, connection_, host, dsn_.user.c_str(), dsn_.password.reveal().c_str(),
                               dsn_.database.empty() ? nullptr : dsn_.database.c_str(), dsn_.port,
                               dsn_.socket.empty() ? nullptr : dsn_.socket.c_str(), 0);
  while (status != 0) status = mysql_real_connect_cont(&connected, connection_, wait(status));
  return connected != nullptr;
}

int Session::wait(int status) const {
  short events = 0;
  if ((status & MYSQL_WAIT_READ) != 0) events |= POLLIN;
  if ((status & MYSQL_WAIT_WRITE) != 0) events |= POLLOUT;
  if ((status & MYSQL_WAIT_EXCEPT) != 0) events |= POLLPRI;
  const int timeout =
      (status & MYSQL_WAIT_TIMEOUT) != 0 ? static_cast<int>(mysql_get_timeout_value_ms(connection_)) : -1;
  std::array<pollfd, 2> fds{{{static_cast<int>(mysql_get_socket(connection_)), events, 0}, {stop_fd_, POLLIN, 0}}};
  int ready = 0;
  do {
    ready = ::poll(fds.data(), fds.size(), timeout);
  } while (ready < 0 && errno == EINTR);
  if (fds[1].revents != 0) throw Stopped{};
  if (ready == 0) return MYSQL_WAIT_TIMEOUT;
  int happened = 0;
  if ((fds[0].revents & (POLLIN | POLLERR | POLLHUP)) != 0) happened |= MYSQL_WAIT_READ & status;
  if ((fds[0].revents & (POLLOUT | POLLERR | POLLHUP)) != 0) happened |= MYSQL_WAIT_WRITE & status;
  if ((fds[0].revents & POLLPRI) != 0) happened |= MYSQL_WAIT_EXCEPT & status;
  return happened;
}

Rows Session::query(std::string_view doing, const std::string& sql, std::string remedy) {
  int failed = 0;
  int status = mysql_real_query_start(&failed, connection_, sql.data(), sql.size());
  while (status != 0) status = mysql_real_query_cont(&failed, connection_, wait(status));
  if (failed != 0) throw to_error(doing, error_of(connection_), std::move(remedy));

  MYSQL_RES* stored = nullptr;
  status = mysql_store_result_start(&stored, connection_);
  while (status != 0) status = mysql_store_result_cont(&stored, connection_, wait(status));
  std::unique_ptr<MYSQL_RES, Freer> result(stored);
  if (!result) {
    if (mysql_errno(connection_) != 0) throw to_error(doing, error_of(connection_), std::move(remedy));
    return {};
  }
  Rows rows;
  const unsigned columns = mysql_num_fields(result.get());
  while (MYSQL_ROW row = mysql_fetch_row(result.get())) {
    const unsigned long* lengths = mysql_fetch_lengths(result.get());
    auto& values = rows.emplace_back();
    for (unsigned i = 0; i < columns; ++i) {
      if (row[i] == nullptr)
        values.emplace_back();
      else
        values.emplace_back(std::string(row[i], lengths[i]));
    }
  }
  return rows;
}

std::string Session::value(std::string_view doing, const std::string& sql) {
  Rows rows = query(doing, sql);
  return rows.empty() || rows[0].empty() ? std::string() : rows[0][0].value_or("");
}

std::string Session::literal(std::string_view text) const {
  std::string quoted(text.size() * 2 + 1, '\0');
  quoted.resize(mysql_real_escape_string(connection_, quoted.data(), text.data(), text.size()));
  return "'" + quoted + "'";
}

std::string Session::server_version() const {
  const char* text = mysql_get_server_info(connection_);
  return text != nullptr ? text : "";
}

bool Session::is_mariadb() const { return server_version().find("MariaDB") != std::string::npos; }

bool Session::crosses_network_in_plain_text() const {
  return dsn_.socket.empty() && !is_loopback(dsn_.host) && mysql_get_ssl_cipher(connection_) == nullptr;
}

int Session::socket() const { return static_cast<int>(mysql_get_socket(connection_)); }

void* Session::tls() const {
  if (mysql_get_ssl_cipher(connection_) == nullptr) return nullptr;
  const auto* pvio = connection_->net.pvio;
  const auto* of_library = reinterpret_cast<const TlsOfLibrary*>(pvio->ctls);
  auto* session = static_cast<SSL*>(of_library->session);
  if (of_library->pvio != pvio || SSL_get_fd(session) != socket())
    throw Error(ErrorKind::unsupported, "taking over the TLS session: this libmariadb keeps it somewhere else",
                "run the build with the libmariadb it was made for, or use ssl-mode=DISABLED");
  return session;
}

}  // namespace deltaforge::sources::mysql
