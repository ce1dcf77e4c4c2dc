#include "pipeline/recut.h"

#include <utility>

#include "base/bytes.h"
#include "obs/log.h"

namespace deltaforge::pipeline {

std::size_t Recut::Key::operator()(const Hash128& hash) const {
  return static_cast<std::size_t>(load_big_endian<std::uint64_t>(hash.data()));
}

void Recut::begin(std::span<const Stretch> stretches, std::string name) {
  name_ = std::move(name);
  for (const Stretch& each : stretches) ahead_.emplace(each.first, each);
}

bool Recut::passed(const Hash128& transaction) {
  drained_at_.reset();
  if (ahead_.empty() && open_.empty()) return false;
  const auto [begin, end] = ahead_.equal_range(transaction);
  for (auto each = begin; each != end; ++each) open_.push_back({each->second.last, each->second.commits});
  ahead_.erase(begin, end);
  bool ends = false, lost = false;
  std::erase_if(open_, [&](Open& each) {
    const bool is_last = each.last == transaction;
    ends = ends || is_last;
    lost = lost || (!is_last && each.left <= 1);
    return is_last || --each.left == 0;
  });
  if (lost && open_.empty()) give_up();
  return ends && open_.empty();
}

void Recut::is_drained(bool drained, SteadyTime now) {
  if (!drained || open_.empty())
    drained_at_.reset();
  else if (!drained_at_)
    drained_at_ = now;
}

void Recut::give_up() {
  open_.clear();
  drained_at_.reset();
  if (std::exchange(told_, true)) return;
  obs::info("what was sent before is not found as it was: events that a sink sends together may come again in others",
            {{"pipeline", name_}});
}

}  // namespace deltaforge::pipeline
