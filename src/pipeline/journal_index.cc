#include "pipeline/journal_index.h"

#include <utility>

namespace deltaforge::pipeline {
namespace {

std::string key(const std::string& stage, const std::string& event_id) { return stage + " " + event_id; }

}  // namespace

void QueueIndex::put(const Stage& stage, Brief brief) {
  const std::string name = stage.text();
  const std::uint64_t seq = brief.seq;
  ids_[key(name, brief.event_id)] = seq;
  const auto shared = std::make_shared<const Brief>(std::move(brief));
  stages_[name][seq] = shared;
  entries_[seq] = {name, shared};
}

void QueueIndex::forget(Entries::iterator entry) {
  const auto& [stage, brief] = entry->second;
  ids_.erase(key(stage, brief->event_id));
  const auto of_stage = stages_.find(stage);
  of_stage->second.erase(brief->seq);
  if (of_stage->second.empty()) stages_.erase(of_stage);
  entries_.erase(entry);
}

void QueueIndex::drop(std::uint64_t seq) {
  if (const auto entry = entries_.find(seq); entry != entries_.end()) forget(entry);
}

void QueueIndex::drop_upto(std::uint64_t seq) {
  while (!entries_.empty() && entries_.begin()->first <= seq) forget(entries_.begin());
}

Briefs QueueIndex::of(const Stage& stage) const {
  const auto found = stages_.find(stage.text());
  if (found == stages_.end()) return {};
  Briefs briefs;
  for (const auto& [seq, brief] : found->second) briefs.push_back(brief);
  return briefs;
}

std::shared_ptr<const Brief> QueueIndex::find(const Stage& stage, const std::string& event_id) const {
  const auto found = ids_.find(key(stage.text(), event_id));
  return found == ids_.end() ? nullptr : entries_.at(found->second).brief;
}

std::vector<std::string> QueueIndex::stages() const {
  std::vector<std::string> names;
  for (const auto& [name, entries] : stages_) names.push_back(name);
  return names;
}

std::size_t QueueIndex::size(const Stage& stage) const {
  const auto found = stages_.find(stage.text());
  return found == stages_.end() ? 0 : found->second.size();
}

}  // namespace deltaforge::pipeline
