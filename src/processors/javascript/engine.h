// SpiderMonkey as a whole: begun once, before the first context, and ended at the exit of the process.
#pragma once

struct JSContext;

namespace deltaforge::processors::javascript {

// A context for the calling thread, with everything off that reaches out of the script. Throws Error{internal}.
JSContext* new_context(unsigned max_heap_bytes);
// On the same thread.
void destroy_context(JSContext*);

}  // namespace deltaforge::processors::javascript
