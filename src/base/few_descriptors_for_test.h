// A process that has only some more descriptors to give.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <optional>

#include "base/error.h"

namespace deltaforge::testing {

// The next one that is made. Grows by one for each that is not given back, as long as there are no gaps.
inline int next_descriptor() {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::close(fd);
  return fd;
}

// The Error that `act`, which went well before, throws when it may have so many more.
template <class Act>
std::optional<Error> error_with_few_descriptors(int more, Act&& act) {
  // Sanitizers need descriptors of their own to look at a type, but only for the first time.
  act();
  std::optional<Error> found(Error(ErrorKind::internal, ""));
  found.reset();
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  few.rlim_cur = static_cast<rlim_t>(next_descriptor() + more);
  ::setrlimit(RLIMIT_NOFILE, &few);
  try {
    act();
  } catch (const Error& error) {
    found = error;
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  return found;
}

}  // namespace deltaforge::testing
