// Every error that the API answers: {"code": ..., "message": ...}.
#pragma once

#include <string_view>

#include "server/http_server.h"

namespace deltaforge::server {

// `code`: a stable word for programs. `message`: what is wrong and what mends it, for people; invalid UTF-8 is
// replaced.
Response problem(int status, std::string_view code, std::string_view message);

}  // namespace deltaforge::server
