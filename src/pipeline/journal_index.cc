#include "pipeline/journal_index.h"

#include <utility>

namespace deltaforge::pipeline {

std::optional<EntryName> EntryName::parse(std::string_view text) {
  const std::size_t kind = text.find(':'), end = text.rfind(' ');
  if (kind == std::string_view::npos || end == std::string_view::npos || end < kind) return std::nullopt;
  return EntryName{{text.substr(0, kind) == "processor", std::string(text.substr(kind + 1, end - kind - 1))},
                   std::string(text.substr(end + 1))};
}

void QueueIndex::put(const Stage& stage, Brief brief) {
  EntryName name{stage, brief.event_id};
  const auto shared = std::make_shared<const Brief>(std::move(brief));
  OfStage& of_stage = stages_[stage.text()];
  of_stage.stage = stage;
  of_stage.entries[shared->seq] = shared;
  named_[name.text()] = shared;
  entries_[shared->seq] = std::move(name);
}

void QueueIndex::forget(std::map<std::uint64_t, EntryName>::iterator entry) {
  const auto& [seq, name] = *entry;
  named_.erase(name.text());
  const auto of_stage = stages_.find(name.stage.text());
  of_stage->second.entries.erase(seq);
  if (of_stage->second.entries.empty()) stages_.erase(of_stage);
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
  for (const auto& [seq, brief] : found->second.entries) briefs.push_back(brief);
  return briefs;
}

std::shared_ptr<const Brief> QueueIndex::find(const Stage& stage, const std::string& event_id) const {
  const auto found = named_.find(EntryName{stage, event_id}.text());
  return found == named_.end() ? nullptr : found->second;
}

std::vector<Stage> QueueIndex::stages() const {
  std::vector<Stage> stages;
  for (const auto& [text, of_stage] : stages_) stages.push_back(of_stage.stage);
  return stages;
}

std::size_t QueueIndex::size(const Stage& stage) const {
  const auto found = stages_.find(stage.text());
  return found == stages_.end() ? 0 : found->second.entries.size();
}

}  // namespace deltaforge::pipeline
