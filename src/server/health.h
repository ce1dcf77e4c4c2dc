// `deltaforge health`: asks a running engine how it is. For probes of containers and services: nothing else is needed
// in an image.
#pragma once

#include <chrono>
#include <ostream>
#include <string>

#include "server/address.h"

namespace deltaforge::server {

// GET /health at `api`. kDone when the answer is 200, else kInvalid; what was answered goes to `out`, why there was no
// answer to `err`. `tls_certificate`: the file that the engine was given as --api-tls-cert, or "" for plain HTTP; an
// engine that shows another certificate is none of ours. Waits `limit` for each step at most.
int health(const Address& api, const std::string& tls_certificate, std::ostream& out, std::ostream& err,
           std::chrono::seconds limit = std::chrono::seconds(5));

}  // namespace deltaforge::server
