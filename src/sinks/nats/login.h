// How a connection says who it is. Files are read anew for each one: credentials are renewed while we run.
#pragma once

#include <string>

#include "sinks/nats/config.h"
#include "sinks/nats/protocol.h"

namespace deltaforge::sinks::nats {

// CONNECT and its options, one line. Throws Error{auth} for a file that cannot be used.
std::string connect_line(const Config&, const Servers&, const ServerInfo&, const std::string& name, bool tls);

}  // namespace deltaforge::sinks::nats
