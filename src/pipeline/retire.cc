#include "pipeline/retire.h"

#include "pipeline/source_state.h"
#include "pipeline/state_keys.h"

namespace deltaforge::pipeline {

void retire(const PipelineSpec& spec, Store& store) {
  const std::string& source = spec.source.id;
  StoredSourceState state(store, source);
  spec.source.build({.pipeline = spec.name, .tenant = spec.tenant})->retire(state);
  for (const char* ns : {kCheckpoints, kCheckpointsShort, kOrigins}) {
    for (const std::string& key : store.keys(ns, sink_key(source, ""))) store.erase(ns, key);
    store.erase(ns, source);
  }
  state.erase_prefix("");
  store.erase(kIdentity, spec.name);
}

void forget_sinks(Store& store, const std::string& source, const std::vector<std::string>& sinks) {
  for (const std::string& sink : sinks)
    for (const char* ns : {kCheckpoints, kCheckpointsShort, kOrigins}) store.erase(ns, sink_key(source, sink));
}

}  // namespace deltaforge::pipeline
