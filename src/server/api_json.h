// How answers of the API are written.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "server/http_server.h"
#include "server/manager.h"
#include "server/problem.h"

namespace deltaforge::server {

using Json = nlohmann::ordered_json;

Response json(const Json& body, int status = 200);
// {"name","status","spec","error"}
Json pipe_info(const PipelineInfo&);

}  // namespace deltaforge::server
