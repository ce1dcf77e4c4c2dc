// What a script finds besides the language: `console`, and with `clock: commit` random numbers that repeat. Code from
// text, WebAssembly, shared memory, weak references and modules are not there; nor are files, network and timers.
#pragma once

#include "processors/javascript/config.h"

struct JSContext;
class JSObject;

namespace deltaforge::processors::javascript {

// Null: out of memory.
JSObject* new_global(JSContext*, Clock);

}  // namespace deltaforge::processors::javascript
