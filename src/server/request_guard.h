// Against other people's web pages in the browser of who may reach this API.
#pragma once

#include <optional>

#include "server/http_server.h"

namespace deltaforge::server {

// 403 CROSS_SITE: the request comes from a page of another origin.
// 403 HOST_NOT_ALLOWED: the listener is on `loopback` and the request is for another name than this machine's own,
// which is what a page does whose name was made to point here (DNS rebinding). A request without Origin or Host does
// not come from a browser, and passes.
std::optional<Response> refuse_foreign_page(const Request&, bool loopback);

}  // namespace deltaforge::server
