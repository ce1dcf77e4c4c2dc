// A stretch of the source's stream that went to a sink as one delivery: its transactions with rows, from the first to
// the last. As long as it may be sent again, its sink's stretches stand in the store (sent.h), and batches are cut at
// them again (recut.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "core/store.h"

namespace deltaforge::pipeline {

struct Stretch {
  Hash128 first{}, last{};    // Commit::id_hash: what a transaction is called in every run
  std::uint32_t commits = 0;  // with rows, also those that processors dropped; 0: there is none
  bool operator==(const Stretch&) const = default;
};

std::string print(std::span<const Stretch>);
// In the order in which they were sent. `key`: of the sink (state_keys.h). Throws Error{storage}.
std::vector<Stretch> read_stretches(Store&, const std::string& key);

}  // namespace deltaforge::pipeline
