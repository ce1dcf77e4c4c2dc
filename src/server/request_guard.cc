#include "server/request_guard.h"

#include <algorithm>

#include "base/ascii.h"
#include "server/problem.h"

namespace deltaforge::server {

namespace {

// "http://host:port" and "host:port" are the same place. ("null", the origin of a sandboxed page, is no place.)
bool same_place(std::string_view origin, std::string_view host) {
  std::size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && equal_ignoring_case(origin.substr(scheme + 3), host);
}

// localhost, 127.0.0.0/8 or [::1], with a port or without.
bool is_this_machine(const std::string& host) {
  auto address = Address::parse(to_lower(host));
  if (!address) address = Address::parse(to_lower(host) + ":0");
  return address && address->loopback();
}

}  // namespace

std::optional<Response> refuse_foreign_page(const Request& request, bool loopback) {
  if (!request.origin.empty() && !same_place(request.origin, request.host))
    return problem(403, "CROSS_SITE", "pages of other sites may not use this API");
  if (loopback && !request.host.empty() && !is_this_machine(request.host))
    return problem(
        403, "HOST_NOT_ALLOWED",
        "this API listens on this machine only and answers to localhost, 127.0.0.1 and [::1]; behind a proxy, "
        "let that send one of them as Host");
  return std::nullopt;
}

}  // namespace deltaforge::server
