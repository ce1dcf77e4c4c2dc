#include "sinks/http/exchange.h"

#include <sys/socket.h>

#include <algorithm>
#include <mutex>
#include <new>

#include <curl/curl.h>
#include <fmt/format.h>

#include "sinks/http/address.h"
#include "sinks/http/classify.h"

namespace deltaforge::sinks::http {
namespace {

// Of an answer's body. Nobody reads it: what it says is for the log of the server.
constexpr std::size_t kLargestAnswer = 64 * 1024;
// Lower ones go before the answer.
constexpr long kFirstFinal = 200;
// A server may ask for patience, not for eternity.
constexpr curl_off_t kLongestWait = 3600;
// Files of tls are read again for a connection made later than this.
constexpr long kTrustSeconds = 60;

void* new_easy() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  CURL* easy = curl_easy_init();
  if (easy == nullptr) throw std::bad_alloc();
  return easy;
}

}  // namespace

void set_up_connections(void* easy, const Config& config) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // nobody waits for a slow name server
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");  // whatever the environment says
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(config.connect_timeout_secs));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "deltaforge/" DELTAFORGE_VERSION);

  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, kTrustSeconds);
  if (!config.tls) return;
  if (!config.tls->ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, config.tls->ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
  if (!config.tls->cert_file.empty()) curl_easy_setopt(easy, CURLOPT_SSLCERT, config.tls->cert_file.c_str());
  if (!config.tls->key_file.empty()) curl_easy_setopt(easy, CURLOPT_SSLKEY, config.tls->key_file.c_str());
  if (config.tls->insecure_skip_verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

Exchange::Exchange(const Config& config) : easy_(new_easy()), error_{} {
  static_assert(sizeof error_ >= CURL_ERROR_SIZE);
  set_up_connections(easy_, config);
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT,
                   static_cast<long>(config.batch_mode ? config.batch_timeout_secs : config.send_timeout_secs));
  curl_easy_setopt(easy_, CURLOPT_POST, 1L);
  if (config.method != Method::post) curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, to_string(config.method));
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &Exchange::take_body);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION,
                   static_cast<curl_opensocket_callback>(
                       [](void* self, curlsocktype, curl_sockaddr* address) { return open_socket(self, address); }));
}

Exchange::~Exchange() { curl_easy_cleanup(easy_); }

Exchange& Exchange::of(void* easy) {
  char* self = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &self);
  return *reinterpret_cast<Exchange*>(self);
}

void Exchange::begin() {
  received_ = 0;
  refused_address_.clear();
  tried_ = false;
  error_[0] = '\0';
  curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers.list());
}

Exchange::Answer Exchange::answer(int code) const {
  Answer answer;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &answer.status);
  long sent = 0;
  curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &sent);
  answer.sent = sent > 0;
  curl_off_t wait = 0;
  curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &wait);
  answer.retry_after = std::chrono::seconds(std::clamp<curl_off_t>(wait, 0, kLongestWait));
  // Its status says what the server made of it, however the answer went on: it hangs up, or sends more than anybody
  // wants to read.
  if (code == CURLE_OK || answer.status >= kFirstFinal) {
    if (classify_status(answer.status).action != Verdict::Action::delivered) answer.text = status_text(answer.status);
    return answer;
  }
  answer.failure = code;
  answer.private_address = code == CURLE_COULDNT_CONNECT && !refused_address_.empty() && !tried_;
  if (answer.private_address)
    answer.text = fmt::format("its host has the private address {}", refused_address_);
  else
    answer.text = error_[0] != '\0' ? error_ : curl_easy_strerror(static_cast<CURLcode>(code));
  return answer;
}

int Exchange::open_socket(void* self, curl_sockaddr* address) {
  auto& exchange = *static_cast<Exchange*>(self);
  if (exchange.public_only && !is_public(address->addr)) {
    exchange.refused_address_ = to_text(address->addr);
    return CURL_SOCKET_BAD;
  }
  exchange.tried_ = true;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t Exchange::take_body(char*, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  exchange.received_ += size * count;
  return exchange.received_ > kLargestAnswer ? 0 : size * count;
}

}  // namespace deltaforge::sinks::http
