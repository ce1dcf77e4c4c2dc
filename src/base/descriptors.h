// What to say when the system gives no descriptor, or will not watch one.
#pragma once

#include <string>

#include "base/error.h"

namespace deltaforge {

// Right after the call that failed, for it looks at errno. `doing`: "waiting for a socket". Error{unavailable}: others
// may give theirs back.
Error no_descriptor(const std::string& doing);

}  // namespace deltaforge
