// What an epoll descriptor waits for. Any thread. Throws Error{unavailable} when the system has none to give.
#pragma once

#include "base/fd.h"

namespace deltaforge::net {

Fd new_epoll();

// From here on these events of `fd` wake whoever waits at `epoll`; fd may be there already, or be a new socket that has
// the number of a closed one.
void wake_for(int epoll, int fd, unsigned events);

}  // namespace deltaforge::net
