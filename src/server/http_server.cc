// What libmicrohttpd finds malformed itself (no HTTP, a head beyond 16 KiB, a Content-Length that is no number) it
// answers with a short HTML page and the right status, before any code of ours sees it, and closes the connection.
#include "server/http_server.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <sys/socket.h>

#include <atomic>
#include <charconv>
#include <exception>

#include "base/error.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "server/deadlines.h"
#include "server/problem.h"
#include "server/request_head.h"

namespace deltaforge::server {

namespace {

constexpr std::size_t kHeadBytes = 16 * 1024;
constexpr std::size_t kStackBytes = 256 * 1024;
// A body beyond kMaxBody is read on, and thrown away, up to here: who sends all of it before reading sees the 413.
constexpr std::uint64_t kMaxDrained = 8 * HttpServer::kMaxBody;
constexpr const char* kTlsPriorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

// What is kept of a request between microhttpd's calls.
struct Exchange {
  std::string target;                // as sent
  const char* target_end = nullptr;  // in microhttpd's own buffer
  bool begun = false;                // its head was found sound
  Request request;
  std::uint64_t body_bytes = 0;  // received
  std::size_t held = 0;          // of them: counted in Impl::held
  bool no_room = false;
};

}  // namespace

struct HttpServer::Impl {
  Handler handler;
  std::optional<TlsIdentity> tls;
  HttpLimits limits;
  Deadlines deadlines;
  std::atomic<std::size_t> held{0};  // bytes of bodies in memory
  // What a connection hears whose time is over; under TLS nothing, for only its own thread could encrypt it.
  std::string too_late;
  MHD_Daemon* daemon = nullptr;

  MHD_Result answer(MHD_Connection*, const Response&, bool close = false);
  MHD_Result begin(MHD_Connection*, Exchange&, const char* path, const char* method, const char* version);
  MHD_Result collect(Exchange&, std::string_view piece);
  MHD_Result finish(MHD_Connection*, Exchange&);

  // What microhttpd calls, in this order; `self` is the Impl.
  static void on_connection(void* self, MHD_Connection*, void**, MHD_ConnectionNotificationCode);
  static void* on_target(void* self, const char* target, MHD_Connection*);
  static MHD_Result on_request(void* self, MHD_Connection*, const char* path, const char* method, const char* version,
                               const char* piece, std::size_t* size, void** exchange);
  static void on_done(void* self, MHD_Connection*, void** exchange, MHD_RequestTerminationCode);
};

namespace {

int socket_of(MHD_Connection* connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

std::string peer_of(MHD_Connection* connection) {
  const sockaddr* address = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
  std::string text(NI_MAXHOST, '\0');
  socklen_t size = address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (getnameinfo(address, size, text.data(), NI_MAXHOST, nullptr, 0, NI_NUMERICHOST) != 0) return {};
  return text.substr(0, text.find('\0'));
}

MHD_Result collect_argument(void* to, MHD_ValueKind, const char* key, std::size_t key_size, const char* value,
                            std::size_t value_size) {
  static_cast<Request*>(to)->query.emplace_back(std::string(key, key_size),
                                                value == nullptr ? std::string() : std::string(value, value_size));
  return MHD_YES;
}

MHD_Result collect_header(void* to, MHD_ValueKind, const char* name, std::size_t name_size, const char* value,
                          std::size_t value_size) {
  static_cast<RequestHead*>(to)->headers.emplace_back(std::string_view(name, name_size),
                                                      std::string_view(value, value_size));
  return MHD_YES;
}

// 0 without a Content-Length; microhttpd has checked that it is a number.
std::uint64_t announced(const RequestHead& head) {
  std::string_view length = head.header("content-length");
  std::uint64_t bytes = 0;
  std::from_chars(length.data(), length.data() + length.size(), bytes);
  return bytes;
}

Response too_large() {
  return problem(413, "BODY_TOO_LARGE", "the body is larger than " + std::to_string(HttpServer::kMaxBody) + " bytes");
}

// The whole answer as it goes over the wire, when microhttpd is not asked any more.
std::string last_word(const Response& response) {
  return "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(response.body.size()) + "\r\n\r\n" + response.body;
}

Response call(const Handler& handler, const Request& request) {
  try {
    return handler(request);
  } catch (const std::exception& failure) {
    obs::count_panic();
    obs::error("API request failed",
               {{"method", request.method}, {"path", request.path}, {"error", std::string_view(failure.what())}});
    return problem(500, "INTERNAL_ERROR", "the request failed; the log says why");
  }
}

}  // namespace

MHD_Result HttpServer::Impl::answer(MHD_Connection* connection, const Response& response, bool close) {
  auto* reply = MHD_create_response_from_buffer(response.body.size(), const_cast<char*>(response.body.data()),
                                                MHD_RESPMEM_MUST_COPY);
  if (reply == nullptr) return MHD_NO;
  MHD_add_response_header(reply, "Content-Type", response.content_type.c_str());
  MHD_add_response_header(reply, "Cache-Control", "no-store");
  MHD_add_response_header(reply, "X-Content-Type-Options", "nosniff");
  if (!response.allow.empty()) MHD_add_response_header(reply, "Allow", response.allow.c_str());
  if (!response.challenge.empty()) MHD_add_response_header(reply, "WWW-Authenticate", response.challenge.c_str());
  if (close) MHD_add_response_header(reply, "Connection", "close");
  deadlines.set(socket_of(connection), limits.idle);
  MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(response.status), reply);
  MHD_destroy_response(reply);
  return queued;
}

// The head is complete. An answer from here closes the connection: the body, if any, stays unread.
MHD_Result HttpServer::Impl::begin(MHD_Connection* connection, Exchange& exchange, const char* path, const char* method,
                                   const char* version) {
  RequestHead head{exchange.target, version, {}};
  MHD_get_connection_values_n(connection, MHD_HEADER_KIND, collect_header, &head);
  if (auto refused = refuse(head)) return answer(connection, *refused);
  // The version stands one byte behind the target in microhttpd's buffer, unless a zero byte ended the text early.
  if (std::less<>()(exchange.target_end, version) && version - exchange.target_end > 1)
    return answer(connection, problem(400, "BAD_REQUEST", "a control byte in the path"));
  bool asks_first = !head.header("expect").empty();
  if (announced(head) > (asks_first ? kMaxBody : kMaxDrained)) return answer(connection, too_large());

  exchange.begun = true;
  Request& request = exchange.request;
  request.method = method;
  request.path = path;
  MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, collect_argument, &request);
  request.content_type = head.header("content-type");
  request.authorization = head.header("authorization");
  request.origin = head.header("origin");
  request.host = head.header("host");
  request.peer = peer_of(connection);
  deadlines.set(socket_of(connection), limits.body, too_late);
  return MHD_YES;
}

// Answers are not possible in the middle of a body: what does not fit is forgotten, and refused at its end.
MHD_Result HttpServer::Impl::collect(Exchange& exchange, std::string_view piece) {
  exchange.body_bytes += piece.size();
  if (exchange.body_bytes > kMaxDrained) return MHD_NO;  // cut off
  if (exchange.no_room || exchange.body_bytes > kMaxBody) return MHD_YES;
  exchange.held += piece.size();
  exchange.no_room = held.fetch_add(piece.size()) + piece.size() > kMaxBodies;
  if (!exchange.no_room) exchange.request.body += piece;
  return MHD_YES;
}

MHD_Result HttpServer::Impl::finish(MHD_Connection* connection, Exchange& exchange) {
  deadlines.clear(socket_of(connection));
  if (exchange.body_bytes > kMaxBody) return answer(connection, too_large(), true);
  if (exchange.no_room)
    return answer(connection, problem(503, "BUSY", "too many large requests at once; try again"), true);
  return answer(connection, call(handler, exchange.request));
}

void HttpServer::Impl::on_connection(void* self, MHD_Connection* connection, void**,
                                     MHD_ConnectionNotificationCode code) {
  auto& impl = *static_cast<Impl*>(self);
  if (code == MHD_CONNECTION_NOTIFY_STARTED)
    impl.deadlines.set(socket_of(connection), impl.limits.head, impl.too_late);
  else
    impl.deadlines.clear(socket_of(connection));
}

void* HttpServer::Impl::on_target(void* self, const char* target, MHD_Connection* connection) {
  auto& impl = *static_cast<Impl*>(self);
  impl.deadlines.set(socket_of(connection), impl.limits.head, impl.too_late);
  auto exchange = std::make_unique<Exchange>();
  exchange->target = target;
  exchange->target_end = target + exchange->target.size();
  return exchange.release();  // on_done() deletes it
}

MHD_Result HttpServer::Impl::on_request(void* self, MHD_Connection* connection, const char* path, const char* method,
                                        const char* version, const char* piece, std::size_t* size, void** state) {
  auto& impl = *static_cast<Impl*>(self);
  auto& exchange = *static_cast<Exchange*>(*state);
  if (!exchange.begun) return impl.begin(connection, exchange, path, method, version);
  if (*size == 0) return impl.finish(connection, exchange);
  return impl.collect(exchange, std::string_view(piece, std::exchange(*size, 0)));
}

void HttpServer::Impl::on_done(void* self, MHD_Connection* connection, void** state, MHD_RequestTerminationCode) {
  auto& impl = *static_cast<Impl*>(self);
  std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(std::exchange(*state, nullptr)));
  impl.held -= exchange->held;
  impl.deadlines.set(socket_of(connection), impl.limits.idle);
}

HttpServer::HttpServer(const Address& address, std::string_view option, Handler handler, std::optional<TlsIdentity> tls,
                       HttpLimits limits)
    : impl_(std::make_unique<Impl>()) {
  impl_->handler = std::move(handler);
  impl_->tls = std::move(tls);
  impl_->limits = limits;
  if (!impl_->tls) impl_->too_late = last_word(problem(408, "REQUEST_TIMEOUT", "the request did not arrive in time"));
  Fd listener = listen_on(address, option);
  port_ = local_port(listener);
  unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC;
  std::vector<MHD_OptionItem> encryption;
  if (impl_->tls) {
    flags |= MHD_USE_TLS;
    encryption = {{MHD_OPTION_HTTPS_MEM_KEY, 0, impl_->tls->key.data()},
                  {MHD_OPTION_HTTPS_MEM_CERT, 0, impl_->tls->certificates.data()},
                  {MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(kTlsPriorities)}};
  }
  encryption.push_back({MHD_OPTION_END, 0, nullptr});
  int daemons = fcntl(listener.get(), F_DUPFD_CLOEXEC, 0);  // the daemon closes the one that it is given
  // clang-format off
  impl_->daemon = MHD_start_daemon(
      flags, 0, nullptr, nullptr, Impl::on_request, impl_.get(),
      MHD_OPTION_LISTEN_SOCKET, daemons,
      MHD_OPTION_NOTIFY_CONNECTION, Impl::on_connection, impl_.get(),
      MHD_OPTION_URI_LOG_CALLBACK, Impl::on_target, impl_.get(),
      MHD_OPTION_NOTIFY_COMPLETED, Impl::on_done, impl_.get(),
      MHD_OPTION_STRICT_FOR_CLIENT, 1,
      MHD_OPTION_CONNECTION_LIMIT, kMaxConnections,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kHeadBytes,
      MHD_OPTION_THREAD_STACK_SIZE, kStackBytes,
      MHD_OPTION_ARRAY, encryption.data(),
      MHD_OPTION_END);
  // clang-format on
  if (impl_->daemon == nullptr)
    throw Error(ErrorKind::unavailable, "starting the HTTP server on " + address.to_string() + ": it was refused",
                impl_->tls ? "is the certificate one that GnuTLS can use?" : "");
}

HttpServer::~HttpServer() { MHD_stop_daemon(impl_->daemon); }

}  // namespace deltaforge::server
