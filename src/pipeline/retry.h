// Sends dead letters again, oldest first, one after the other and each only once the one before is done, so that events
// of a row keep their order: behind an entry that failed, later ones of its row are left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "pipeline/journal.h"

namespace deltaforge::pipeline {

class Run;

struct RetryRequest {
  Journal::Filter filter;
  std::uint64_t seq = 0;        // this one alone; 0: all
  std::uint64_t up_to_seq = 0;  // inclusive; 0: all
  std::size_t limit = 1000;
};

struct Retried {
  enum class Result { delivered, failed, pending, behind, not_replayable };
  std::uint64_t seq;
  std::string event_id;
  Result result;
  std::string why;
};
std::string_view to_string(Retried::Result);

// Stops at `deadline`; what is on its way then goes on by itself (`pending`). Throws Error{storage}.
std::vector<Retried> retry(Journal&, Run&, const RetryRequest&, const Clock&, SteadyTime deadline);

}  // namespace deltaforge::pipeline
