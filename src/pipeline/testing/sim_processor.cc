#include "pipeline/testing/sim_processor.h"

namespace deltaforge::pipeline::testing {
namespace {

void count(Batch& batch, Image& image) {
  if (!image.present) return;
  const std::span<Value> values = batch.pages().array<Value>(image.values.size());
  values[0] = image.values[0];
  values[1] = Value::int64(image.values[1].as_int64() + 1);
  image.values = values;
}

}  // namespace

void SimProcessor::process(Batch& batch) {
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    Event& event = batch.event(i);
    if (event.dropped) continue;
    if (rows_.refuses(stage_, sim_row(batch, event))) {
      set_aside_(batch, i, "simulated");
      event.dropped = true;
      continue;
    }
    count(batch, event.before);
    count(batch, event.after);
    if (event.op == Op::truncate) event.locus = batch.pages().copy(std::string(event.locus) + "p");
  }
}

}  // namespace deltaforge::pipeline::testing
