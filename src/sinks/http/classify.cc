#include "sinks/http/classify.h"

#include <algorithm>
#include <array>

#include <curl/curl.h>
#include <fmt/format.h>

namespace deltaforge::sinks::http {
namespace {

using Action = Verdict::Action;

constexpr std::string_view kCredentials = "check the credentials in `headers`";
constexpr std::string_view kTaken = "let the server take this event, or change `url` or `method`";
constexpr std::string_view kSize = "raise the largest body that the server takes";
constexpr std::string_view kHeaders = "raise what the server takes as headers, or set a shorter `key`";
constexpr std::string_view kRedirect = "redirects are not followed: write the address that it names as `url`";
constexpr std::string_view kTls =
    "tls.ca_file, tls.cert_file and tls.key_file are PEM files that this process may read";
constexpr std::string_view kTrust = "check the host in `url`, and tls.ca_file";
constexpr std::string_view kServer = "check host and port in `url`, and that the server runs";
constexpr std::string_view kConnection =
    "check host and port in `url`, and that the server runs and can be reached; or raise connect_timeout_secs";

constexpr Verdict retry(std::string_view hint = {}) { return {Action::retry, ErrorKind::unavailable, hint}; }
constexpr Verdict away(std::string_view hint) { return {Action::away, ErrorKind::unavailable, hint}; }
constexpr Verdict auth(std::string_view hint) { return {Action::stop, ErrorKind::auth, hint}; }
constexpr Verdict config(std::string_view hint) { return {Action::stop, ErrorKind::config, hint}; }
constexpr Verdict refused(std::string_view hint) { return {Action::refused, ErrorKind::limit, hint}; }

struct Status {
  long status;
  std::string_view text;
  Verdict verdict;
};

constexpr auto kStatuses = std::to_array<Status>({
    {301, "Moved Permanently", retry(kRedirect)},
    {302, "Found", retry(kRedirect)},
    {303, "See Other", retry(kRedirect)},
    {307, "Temporary Redirect", retry(kRedirect)},
    {308, "Permanent Redirect", retry(kRedirect)},
    {400, "Bad Request", refused(kTaken)},
    {401, "Unauthorized", auth(kCredentials)},
    {403, "Forbidden", auth(kCredentials)},
    {404, "Not Found", refused("check `url`")},
    {405, "Method Not Allowed", refused("check `method` and `url`")},
    {408, "Request Timeout", retry()},
    {409, "Conflict", refused(kTaken)},
    {410, "Gone", refused("check `url`")},
    {411, "Length Required", refused(kTaken)},
    {413, "Content Too Large", refused(kSize)},
    {414, "URI Too Long", refused("shorten `url`")},
    {415, "Unsupported Media Type", refused("check `envelope`, and Content-Type in `headers`")},
    {422, "Unprocessable Content", refused(kTaken)},
    {425, "Too Early", retry()},
    {429, "Too Many Requests", retry("let the server take more requests, or set batch_mode")},
    {431, "Request Header Fields Too Large", refused(kHeaders)},
    {500, "Internal Server Error", retry("see the server's log")},
    {502, "Bad Gateway", retry()},
    {503, "Service Unavailable", retry()},
    {504, "Gateway Timeout", retry()},
});

struct Failure {
  CURLcode code;
  Verdict verdict;
};

constexpr auto kFailures = std::to_array<Failure>({
    {CURLE_COULDNT_RESOLVE_HOST, away("check the host in `url`")},
    {CURLE_COULDNT_CONNECT, away(kServer)},
    {CURLE_OPERATION_TIMEDOUT,
     retry("raise send_timeout_secs (in batch_mode batch_timeout_secs), or speed the server up")},
    {CURLE_GOT_NOTHING, retry("is this the port of an HTTP server, and does it want https://?")},
    {CURLE_WEIRD_SERVER_REPLY, retry("is this the port of an HTTP server?")},
    {CURLE_UNSUPPORTED_PROTOCOL, retry("is this the port of an HTTP server?")},
    {CURLE_SSL_CONNECT_ERROR, away("is this a port with TLS? else write http://; and check tls.cert_file")},
    {CURLE_SSL_CERTPROBLEM, config(kTls)},
    {CURLE_SSL_CACERT_BADFILE, config(kTls)},
    {CURLE_PEER_FAILED_VERIFICATION, auth(kTrust)},
    {CURLE_URL_MALFORMAT, refused("check `url`")},
});

}  // namespace

Verdict classify_status(long status) {
  if (status >= 200 && status < 300) return {Action::delivered, ErrorKind::unavailable, {}};
  const auto* row =
      std::find_if(kStatuses.begin(), kStatuses.end(), [&](const Status& s) { return s.status == status; });
  if (row != kStatuses.end()) return row->verdict;
  if (status >= 400 && status < 500) return refused(kTaken);
  return retry(status >= 300 && status < 400 ? kRedirect : std::string_view());
}

Verdict classify_failure(int code, bool sent) {
  if (code == CURLE_OPERATION_TIMEDOUT && !sent) return away(kConnection);
  const auto* row = std::find_if(kFailures.begin(), kFailures.end(), [&](const Failure& f) { return f.code == code; });
  return row == kFailures.end() ? retry() : row->verdict;
}

std::string status_text(long status) {
  const auto* row =
      std::find_if(kStatuses.begin(), kStatuses.end(), [&](const Status& s) { return s.status == status; });
  return row == kStatuses.end() ? fmt::format("status {}", status) : fmt::format("{} {}", status, row->text);
}

}  // namespace deltaforge::sinks::http
