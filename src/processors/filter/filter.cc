#include "processors/filter/filter.h"

#include <algorithm>
#include <utility>

#include "core/outbox.h"

namespace deltaforge::processors::filter {
namespace {
constexpr std::uint32_t kHintEvery = 4096;
}

Filter::Filter(Config config, const ProcessorContext& context)
    : config_(std::move(config)),
      dropped_(obs::Metrics::instance().counter("deltaforge_filter_dropped_total",
                                                {{"pipeline", context.pipeline}, {"processor", config_.id}})) {
  for (const Op op : {Op::create, Op::update, Op::remove, Op::read, Op::truncate})
    ops_[static_cast<unsigned char>(op)] = config_.ops.empty() || std::ranges::count(config_.ops, op) > 0;
  for (const Field& field : config_.fields) predicates_.emplace_back(field);
}

void Filter::process(Batch& batch) {
  std::uint64_t dropped = 0;
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    if (i % kHintEvery == 0) batch.passed(i);
    Event& event = batch.event(i);
    if (event.dropped || passes(event)) continue;
    event.dropped = true;
    ++dropped;
  }
  if (dropped > 0) dropped_.add(static_cast<double>(dropped));
}

bool Filter::passes(const Event& event) {
  if (!ops_[static_cast<unsigned char>(event.op)] || !table_passes(*event.schema)) return false;
  if (predicates_.empty()) return true;
  const auto holds = [&](Predicate& predicate) { return predicate.holds(event); };
  return config_.match == Config::Match::all ? std::ranges::all_of(predicates_, holds)
                                             : std::ranges::any_of(predicates_, holds);
}

bool Filter::table_passes(const TableSchema& table) {
  if (&table == last_) return last_passes_;
  auto found = tables_.find(table.id);
  if (found == tables_.end()) {
    const auto matches = [&](const config::TablePattern& pattern) {
      return pattern.matches(qualifier_of(table), table.table);
    };
    const auto& [include, exclude] = config_.tables;
    const bool passes =
        (include.empty() || std::ranges::any_of(include, matches)) && std::ranges::none_of(exclude, matches);
    found = tables_.emplace(table.id, passes).first;
  }
  last_ = &table;
  return last_passes_ = found->second;
}

void add(Catalogue& catalogue) { catalogue.processors.add<Filter>("filter"); }

}  // namespace deltaforge::processors::filter
