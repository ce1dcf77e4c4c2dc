#include "server/problem.h"

#include <nlohmann/json.hpp>

namespace deltaforge::server {

Response problem(int status, std::string_view code, std::string_view message) {
  nlohmann::ordered_json body{{"code", code}, {"message", message}};
  return {status, body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)};
}

}  // namespace deltaforge::server
