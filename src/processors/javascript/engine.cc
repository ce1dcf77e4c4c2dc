#include "processors/javascript/engine.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

#include <js/ArrayBuffer.h>
#include <js/ContextOptions.h>
#include <js/Initialization.h>
#include <js/Principals.h>
#include <jsapi.h>
#include <jsfriendapi.h>

#include "base/error.h"
#include "obs/log.h"
#include "processors/javascript/quiet_threads.h"

namespace deltaforge::processors::javascript {
namespace {

std::atomic<int> contexts{0};

// A hardened service may not make memory executable that was writable: scripts are then interpreted.
bool may_compile() {
  const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  const bool allowed = mprotect(page, size, PROT_READ | PROT_EXEC) == 0;
  munmap(page, size);
  return allowed;
}

// A context that is left over keeps its thread busy: then there is nothing to end in an orderly way.
void end() {
  if (contexts.load() == 0) JS_ShutDown();
}

void begin() {
  if (!may_compile()) {
    JS::DisableJitBackend();
    obs::info("scripts are interpreted: this process may not make memory executable", {});
  }
  JS::SetLargeArrayBuffersEnabled(false);  // one of them would pass every limit in one step
  if (!JS_Init()) throw Error(ErrorKind::internal, "the JavaScript engine does not start");
  std::atexit(end);
}

bool no_code_from_text(JSContext*, JS::RuntimeCode, JS::HandleString) { return false; }
const JSSecurityCallbacks kSecurity = {.contentSecurityPolicyAllows = no_code_from_text, .subsumes = nullptr};

}  // namespace

JSContext* new_context(unsigned max_heap_bytes) {
  const QuietThreads quiet;  // the engine makes helpers
  static std::once_flag begun;
  std::call_once(begun, begin);
  JSContext* context = JS_NewContext(max_heap_bytes);
  if (context == nullptr) throw Error(ErrorKind::internal, "no memory for a JavaScript context");
  contexts.fetch_add(1);
  constexpr std::size_t kStack = 512 * 1024;  // of the 8 MiB that a thread has
  JS_SetNativeStackQuota(context, kStack);
  JS::ContextOptionsRef(context).setWasm(false).setAsmJS(false);
  JS_SetSecurityCallbacks(context, &kSecurity);
  if (!js::UseInternalJobQueues(context) || !JS::InitSelfHostedCode(context)) {
    destroy_context(context);
    throw Error(ErrorKind::internal, "no memory for a JavaScript context");
  }
  return context;
}

void destroy_context(JSContext* context) {
  JS_DestroyContext(context);
  contexts.fetch_sub(1);
}

}  // namespace deltaforge::processors::javascript
