// What a request begins with, and which beginnings are refused: all that two readers of the same bytes (a proxy, the
// server) could understand differently.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http_server.h"

namespace deltaforge::server {

struct RequestHead {
  std::string_view target;                                             // as sent: "/pipelines/a%20b?label=x"
  std::string_view version;                                            // "HTTP/1.1"
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // in order, each line of its own

  // The first value of a header, "" without one. `name` in lower case.
  std::string_view header(std::string_view name) const;
};

// 400 BAD_REQUEST or 431 HEADERS_TOO_MANY; nothing for a sound head. The connection is closed after either.
std::optional<Response> refuse(const RequestHead&);

}  // namespace deltaforge::server
