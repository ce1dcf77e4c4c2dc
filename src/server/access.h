// Who may do what with the API.
#pragma once

#include <optional>

#include "server/http_server.h"
#include "server/tokens.h"

namespace deltaforge::server {

// Who can reach the API's listener.
enum class Reach {
  this_machine,   // it listens on loopback: without tokens everybody there is an admin
  others,         // other machines: without tokens nobody has a role
  others_opened,  // the same under --insecure-listen: without tokens everybody is an admin
};

class Access {
 public:
  Access(Tokens tokens, Reach reach) : tokens_(std::move(tokens)), reach_(reach) {}

  // Any thread.
  Role role_of(const Request&) const;
  // Why the request is not served, if it is not; the caller keeps probes and metrics out of this. 403 to pages of other
  // sites; 401 without a role, with one body whatever was wrong; 403 to readers who want to change something.
  std::optional<Response> refusal(const Request&) const;

 private:
  const Tokens tokens_;
  const Reach reach_;
};

}  // namespace deltaforge::server
