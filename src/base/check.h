// CHECK: invariants that stay on in release. A failed check is a bug of ours: it prints and aborts, nothing else.
#pragma once

namespace deltaforge {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const char* what);
}

#define DF_CHECK(condition, what)                                       \
  do {                                                                  \
    if (!(condition)) [[unlikely]]                                      \
      ::deltaforge::check_failed(__FILE__, __LINE__, #condition, what); \
  } while (false)
