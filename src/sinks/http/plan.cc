#include "sinks/http/plan.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include <curl/curl.h>
#include <fmt/format.h>

#include "base/error.h"
#include "base/link.h"
#include "sinks/http/classify.h"
#include "sinks/http/exchange.h"
#include "sinks/http/url.h"

namespace deltaforge::sinks::http {
namespace {

constexpr std::int64_t kLongestWait = 5;
constexpr std::string_view kWriteHttps = "write https:// in `url`";
constexpr std::string_view kLetCheck = "leave tls.insecure_skip_verify out";

void check_file(const std::string& field, const std::string& file) {
  if (file.empty() || ::access(file.c_str(), R_OK) == 0) return;
  throw Error(ErrorKind::config, fmt::format("reading tls.{} {}: {}", field, file, std::strerror(errno)),
              fmt::format("tls.{} is a PEM file that this process may read", field));
}

}  // namespace

void check_files(const Config& config) {
  if (!config.tls) return;
  check_file("ca_file", config.tls->ca_file);
  check_file("cert_file", config.tls->cert_file);
  check_file("key_file", config.tls->key_file);
}

std::string plain_text_warning(const Config& config) {
  if (is_https(config.url.text)) return {};
  if (has_fixed_host(config.url.text) && is_loopback(host_of(config.url.text.text()))) return {};
  return "rows and the values of `headers` travel in plain text";
}

std::string no_check_warning(const Config& config) {
  if (!config.tls || !config.tls->insecure_skip_verify) return {};
  return "the certificate of the server is not checked";
}

void look_at_server(const Config& config, PlanReport& report) {
  report.check([&] { check_files(config); });
  if (const std::string text = plain_text_warning(config); !text.empty())
    report.warning(text, std::string(kWriteHttps));
  if (const std::string text = no_check_warning(config); !text.empty()) report.warning(text, std::string(kLetCheck));
  const std::string url(without_query(config.url.text.text()));
  if (!has_fixed_host(config.url.text)) return report.fact("the host is named by the event: " + url);

  Config bounded = config;
  bounded.connect_timeout_secs = std::min(config.connect_timeout_secs, kLongestWait);
  Exchange probe(bounded);
  void* easy = probe.handle();
  // Variables stand in the path, if at all; a connection does not need it.
  probe.url = url.substr(0, url.find('/', url.find("://") + 3));
  probe.public_only = config.guards_addresses() && !names_host(config.allow_hosts, host_of(probe.url));
  probe.begin();
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, static_cast<long>(2 * kLongestWait));
  const int code = curl_easy_perform(easy);
  if (code != CURLE_OK) {
    const Exchange::Answer answer = probe.answer(code);
    return report.problem(fmt::format("connecting to {}: {}", probe.url, answer.text),
                          answer.private_address ? "name the host in `allow_hosts`"
                                                 : std::string(classify_failure(code, answer.sent).hint));
  }
  report.fact(fmt::format("{} answers; requests go to {} as {}, {}", probe.url, url, to_string(config.method),
                          config.batch_mode ? "arrays of events" : "one for each event"));
}

}  // namespace deltaforge::sinks::http
