// Which network addresses belong to everybody. Pure.
#pragma once

#include <string>

struct sockaddr;

namespace deltaforge::sinks::http {

// False for loopback, private, link-local (where clouds answer with credentials), multicast, reserved and
// documentation addresses, also inside IPv6 forms that stand for an IPv4 address, and for whatever is no IP address.
bool is_public(const sockaddr&);

std::string to_text(const sockaddr&);

}  // namespace deltaforge::sinks::http
