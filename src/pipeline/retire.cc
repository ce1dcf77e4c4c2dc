#include "pipeline/retire.h"

#include "pipeline/source_state.h"
#include "pipeline/start_positions.h"
#include "pipeline/state_keys.h"

namespace deltaforge::pipeline {

void retire(const PipelineSpec& spec, Store& store) {
  const std::string& source = spec.source.id;
  StoredSourceState state(store, source);
  spec.source.build({.pipeline = spec.name, .tenant = spec.tenant})->retire(state);
  forget_positions(store, source);
  state.erase_prefix("");
  store.erase(kIdentity, spec.name);
}

void forget_sinks(Store& store, const std::string& source, const std::vector<std::string>& sinks) {
  for (const std::string& sink : sinks) forget_positions(store, sink_key(source, sink));
}

}  // namespace deltaforge::pipeline
