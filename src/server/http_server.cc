#include "server/http_server.h"

#include <fcntl.h>
#include <microhttpd.h>

#include <exception>

#include "base/error.h"
#include "obs/log.h"

namespace deltaforge::server {

namespace {

constexpr unsigned kIdleSeconds = 60;
constexpr std::size_t kHeaderBytes = 16 * 1024;
constexpr std::size_t kStackBytes = 256 * 1024;

// What is kept of a request between microhttpd's calls.
struct Exchange {
  std::size_t body_bytes = 0;
};

MHD_Result collect_argument(void* to, MHD_ValueKind, const char* key, const char* value) {
  static_cast<Request*>(to)->query.emplace_back(key, value == nullptr ? "" : value);
  return MHD_YES;
}

MHD_Result answer(MHD_Connection* connection, const Response& response) {
  auto* reply = MHD_create_response_from_buffer(response.body.size(), const_cast<char*>(response.body.data()),
                                                MHD_RESPMEM_MUST_COPY);
  if (reply == nullptr) return MHD_NO;
  MHD_add_response_header(reply, "Content-Type", response.content_type.c_str());
  MHD_add_response_header(reply, "Cache-Control", "no-store");
  MHD_add_response_header(reply, "X-Content-Type-Options", "nosniff");
  if (!response.allow.empty()) MHD_add_response_header(reply, "Allow", response.allow.c_str());
  MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(response.status), reply);
  MHD_destroy_response(reply);
  return queued;
}

Response call(const Handler& handler, const Request& request) {
  try {
    return handler(request);
  } catch (const std::exception& failure) {
    obs::error("API request failed",
               {{"method", request.method}, {"path", request.path}, {"error", std::string_view(failure.what())}});
    return {500, R"({"code":"INTERNAL_ERROR","message":"the request failed; the log says why"})"};
  }
}

MHD_Result on_request(void* handler, MHD_Connection* connection, const char* url, const char* method, const char*,
                      const char*, std::size_t* upload_size, void** state) {
  if (*state == nullptr) {
    *state = new Exchange;
    return MHD_YES;
  }
  auto* exchange = static_cast<Exchange*>(*state);
  if (*upload_size != 0) {
    exchange->body_bytes += *upload_size;
    *upload_size = 0;
    return exchange->body_bytes > HttpServer::kMaxBody ? MHD_NO : MHD_YES;
  }
  Request request{method, url, {}};
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, collect_argument, &request);
  return answer(connection, call(*static_cast<Handler*>(handler), request));
}

void on_done(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
  delete static_cast<Exchange*>(*state);
  *state = nullptr;
}

}  // namespace

struct HttpServer::Impl {
  Handler handler;
  MHD_Daemon* daemon = nullptr;
};

HttpServer::HttpServer(const Address& address, std::string_view option, Handler handler)
    : impl_(std::make_unique<Impl>()) {
  impl_->handler = std::move(handler);
  Fd listener = listen_on(address, option);
  port_ = local_port(listener);
  int daemons = fcntl(listener.get(), F_DUPFD_CLOEXEC, 0);  // the daemon closes the one that it is given
  // clang-format off
  impl_->daemon = MHD_start_daemon(
      MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, nullptr, nullptr,
      on_request, &impl_->handler,
      MHD_OPTION_LISTEN_SOCKET, daemons,
      MHD_OPTION_NOTIFY_COMPLETED, on_done, nullptr,
      MHD_OPTION_CONNECTION_LIMIT, kMaxConnections,
      MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kHeaderBytes,
      MHD_OPTION_THREAD_STACK_SIZE, kStackBytes,
      MHD_OPTION_END);
  // clang-format on
  if (impl_->daemon == nullptr)
    throw Error(ErrorKind::unavailable, "starting the HTTP server on " + address.to_string() + ": no thread for it");
}

HttpServer::~HttpServer() { MHD_stop_daemon(impl_->daemon); }

}  // namespace deltaforge::server
