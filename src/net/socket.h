// A TCP connection that is made within a bound of time, and waiting for it. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "net/peer.h"

namespace deltaforge::net {

// Connected, non-blocking, without Nagle's delay. Every address of the host is tried. Throws Error{unavailable}.
Fd connect_to(const std::string& host, std::uint16_t port, SteadyTime deadline, const Peer&);

// Waits until the socket can be read (or written). False: the time is over.
bool wait_for(int fd, bool write, SteadyTime deadline);

// From here on the socket counts as readable, for whoever waits for it, once so many bytes are there, or its end.
void wait_for_bytes(int fd, int count);

}  // namespace deltaforge::net
