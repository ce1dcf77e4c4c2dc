#include "base/check.h"

#include <execinfo.h>

#include <cstdio>
#include <cstdlib>

namespace deltaforge {

void check_failed(const char* file, int line, const char* condition, const char* what) {
  std::fprintf(stderr, "deltaforge: broken invariant at %s:%d: %s (%s). This is a bug; please report it.\n", file, line,
               what, condition);
  void* frames[64];
  backtrace_symbols_fd(frames, backtrace(frames, 64), 2);
  std::abort();
}

}  // namespace deltaforge
