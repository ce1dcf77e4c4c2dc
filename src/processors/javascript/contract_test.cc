#include "processors/testing/contract.h"

#include "processors/javascript/javascript.h"

namespace deltaforge::processors::testing {
namespace {

// Drops, copies, reorders and makes new ones, within a call.
INSTANTIATE_TEST_SUITE_P(JavaScript, ProcessorContract, ::testing::Values(subject_of(javascript::add, R"js(
type: javascript
limits: {cpu_ms: 10000, timeout_ms: 60000}
inline: |
  function processBatch(events) {
    const out = [];
    for (const e of events) {
      if (e.after && e.after.id === 2) continue;
      if (e.after) e.after.status = String(e.after.status).toUpperCase();
      out.push(e);
      if (e.op === 'c') out.push({...e}, {after: {made: e.after.id}});
    }
    return out.reverse();
  }
)js")));

}  // namespace
}  // namespace deltaforge::processors::testing
