#include "pipeline/retire.h"

#include <limits>
#include <set>

#include "obs/log.h"
#include "pipeline/journal.h"
#include "pipeline/source_state.h"
#include "pipeline/start_positions.h"
#include "pipeline/state_keys.h"

namespace deltaforge::pipeline {
namespace {

void forget_journal(Store& store, const std::string& pipeline) {
  for (const std::string& queue : {Journal::dead_letters_of(pipeline), Journal::parked_of(pipeline)})
    store.drop_upto(Journal::kNamespace, queue, std::numeric_limits<std::int64_t>::max());
  store.erase(Journal::kNamespace, Journal::lost_of(pipeline));
  store.erase(Journal::kNamespace, Journal::logs_of(pipeline));
}

}  // namespace

void retire(const PipelineSpec& spec, Store& store) {
  const std::string& source = spec.source.id;
  StoredSourceState state(store, source);
  spec.source.build({.pipeline = spec.name, .tenant = spec.tenant})->retire(state);
  forget_positions(store, source);
  state.erase_prefix("");
  forget_journal(store, spec.name);
  store.erase(kIdentity, spec.name);
}

void forget_sinks(Store& store, const std::string& source, const std::vector<std::string>& sinks) {
  for (const std::string& sink : sinks) forget_positions(store, sink_key(source, sink));
}

void forget_strangers(const PipelineSpec& spec, Store& store) {
  const std::string prefix = sink_key(spec.source.id, "");
  std::set<std::string> strangers;
  for (const char* ns : kOfSinks)
    for (const std::string& key : store.keys(ns, prefix)) strangers.insert(key.substr(prefix.size()));
  for (const SinkMaker& sink : spec.sinks) strangers.erase(sink.id);
  for (const std::string& sink : strangers) {
    forget_positions(store, sink_key(spec.source.id, sink));
    obs::warn("a sink is no longer of the pipeline: its position is forgotten, should it come back it is a new one",
              {{"pipeline", spec.name}, {"sink", sink}});
  }
}

}  // namespace deltaforge::pipeline
