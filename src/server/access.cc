#include "server/access.h"

#include "server/problem.h"
#include "server/request_guard.h"

namespace deltaforge::server {

namespace {

// POST /validate changes nothing: a reader may ask it.
bool needs_admin(const Request& request) {
  bool reads = request.method == "GET" || request.method == "HEAD";
  return !reads && !(request.method == "POST" && request.path == "/validate");
}

}  // namespace

Role Access::role_of(const Request& request) const {
  if (!tokens_.empty()) return tokens_.role_of(request.authorization);
  return reach_ == Reach::others ? Role::none : Role::admin;
}

std::optional<Response> Access::refusal(const Request& request) const {
  if (auto refused = refuse_foreign_page(request, reach_ == Reach::this_machine)) return refused;
  Role role = role_of(request);
  if (role == Role::none) {
    Response response =
        tokens_.empty() ? problem(401, "TOKEN_REQUIRED",
                                  "this API can be reached from other machines and no token protects it; set one with "
                                  "--api-token-file, listen on 127.0.0.1 with --api-addr, or open it to everybody with "
                                  "--insecure-listen")
                        : problem(401, "TOKEN_REQUIRED", "send a valid token: Authorization: Bearer <token>");
    response.challenge = "Bearer";
    return response;
  }
  if (role == Role::read && needs_admin(request))
    return problem(403, "FORBIDDEN", "a read token may not change anything; use an admin token");
  return std::nullopt;
}

}  // namespace deltaforge::server
