#include "pipeline/retire.h"

#include <limits>
#include <set>

#include "obs/log.h"
#include "pipeline/journal.h"
#include "pipeline/queue_walk.h"
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
  store.erase(Journal::kNamespace, Journal::processors_of(pipeline));
}

// Of one sink. Returns how many.
std::size_t forget_journal(Store& store, const std::string& pipeline, const std::string& sink) {
  const Stage stage{false, sink};
  std::size_t count = 0;
  for (const std::string& queue : {Journal::dead_letters_of(pipeline), Journal::parked_of(pipeline)})
    for_each_item(store, Journal::kNamespace, queue, [&](const Store::Item& item) {
      const auto name = EntryName::parse(item.id);
      count += name && name->stage == stage && store.drop(Journal::kNamespace, queue, item.seq);
    });
  return count;
}

void forget_sink(const PipelineSpec& spec, Store& store, const std::string& sink) {
  forget_all(store, sink_key(spec.source.id, sink));
  const std::size_t events = forget_journal(store, spec.name, sink);
  if (events > 0)
    obs::warn("a sink is no longer of the pipeline: its dead letters and what waited behind them are removed",
              {{"pipeline", spec.name}, {"sink", sink}, {"events", std::uint64_t{events}}});
}

}  // namespace

void retire(const PipelineSpec& spec, Store& store) {
  const std::string& source = spec.source.id;
  StoredSourceState state(store, source);
  spec.source.build({.pipeline = spec.name, .tenant = spec.tenant})->retire(state);
  forget_all(store, source);
  state.erase_prefix("");
  forget_journal(store, spec.name);
  store.erase(kIdentity, spec.name);
}

void forget_sinks(const PipelineSpec& spec, Store& store, const std::vector<std::string>& sinks) {
  for (const std::string& sink : sinks) forget_sink(spec, store, sink);
}

void forget_strangers(const PipelineSpec& spec, Store& store) {
  const std::string prefix = sink_key(spec.source.id, "");
  std::set<std::string> strangers;
  for (const char* ns : kOfSinks)
    for (const std::string& key : store.keys(ns, prefix)) strangers.insert(key.substr(prefix.size()));
  for (const SinkMaker& sink : spec.sinks) strangers.erase(sink.id);
  for (const std::string& sink : strangers) {
    forget_sink(spec, store, sink);
    obs::warn("a sink is no longer of the pipeline: its position is forgotten, should it come back it is a new one",
              {{"pipeline", spec.name}, {"sink", sink}});
  }
}

}  // namespace deltaforge::pipeline
