// A TCP connection that is made within a bound of time, and waiting for it. One thread.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/fd.h"

namespace deltaforge::sinks::redis {

// Connected, non-blocking, without Nagle's delay. Every address of the host is tried. Throws Error{unavailable}.
Fd connect_to(const std::string& host, std::uint16_t port, SteadyTime deadline);

// Waits until the socket can be read (or written). False: the time is over.
bool wait_for(int fd, bool write, SteadyTime deadline);

}  // namespace deltaforge::sinks::redis
