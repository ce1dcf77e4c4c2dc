// A kept event of the journal, as it lies in the store -> an event.
//
// Must hold: it is refused with an Error and leaves the batch as it was, or what is printed of it comes back the same.
#include <string>

#include "base/error.h"
#include "fuzz.h"
#include "pipeline/kept_event.h"

namespace {
struct Home final : deltaforge::BatchHome {
  void recycle(deltaforge::Batch* batch) noexcept override { delete batch; }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  PageBudget budget(1 << 20);
  Home home;
  schema::Registry schemas;
  const BatchPtr batch(new Batch(budget, home));
  try {
    pipeline::restore_kept({reinterpret_cast<const char*>(data), size}, schemas, *batch);
  } catch (const Error&) {
    fuzz::require(batch->size() == 0 && batch->commits().empty(), "the batch is as it was");
    return 0;
  }
  fuzz::require(batch->size() == 1 && batch->commits().size() == 1, "it is one event of one transaction");
  const std::string printed = pipeline::print_kept(*batch, batch->event(0));
  pipeline::restore_kept(printed, schemas, *batch);
  fuzz::require(pipeline::print_kept(*batch, batch->event(1)) == printed,
                "what is printed comes back the same:", printed);
  return 0;
}
