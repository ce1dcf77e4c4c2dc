#include "pipeline/retry.h"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "pipeline/run.h"

namespace deltaforge::pipeline {
namespace {

struct Waiting {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::optional<std::string> failure;
};

Retried send(Run& run, const DeadLetter& letter, const Clock& clock, SteadyTime deadline) {
  using Result = Retried::Result;
  Retried retried{letter.seq, letter.event_id, Result::delivered, {}};
  const auto waiting = std::make_shared<Waiting>();
  const auto problem = run.replay(letter, [waiting](std::optional<std::string> failure) {
    std::lock_guard lock(waiting->mutex);
    waiting->done = true;
    waiting->failure = std::move(failure);
    waiting->changed.notify_all();
  });
  if (problem) {
    retried.result = Result::failed;
    retried.why = *problem;
    return retried;
  }
  std::unique_lock lock(waiting->mutex);
  const auto left = deadline - clock.now();
  if (!waiting->changed.wait_for(lock, left, [&] { return waiting->done; })) {
    retried.result = Result::pending;
    retried.why = "it is on its way: its sink has not answered yet, or it waits behind older events of its row";
  } else if (waiting->failure) {
    retried.result = Result::failed;
    retried.why = *waiting->failure;
  }
  return retried;
}

}  // namespace

std::string_view to_string(Retried::Result result) {
  switch (result) {
    case Retried::Result::delivered: return "delivered";
    case Retried::Result::failed: return "FAILED";
    case Retried::Result::pending: return "PENDING";
    case Retried::Result::behind: return "BEHIND_ANOTHER";
    case Retried::Result::not_replayable: return "NOT_REPLAYABLE";
  }
  return "";
}

std::vector<Retried> retry(Journal& journal, Run& run, const RetryRequest& request, const Clock& clock,
                           SteadyTime deadline) {
  using Result = Retried::Result;
  std::vector<Retried> all;
  std::map<std::string, BlockedRows> left;  // by stage: rows of entries that stay
  for (const auto& brief : journal.letters(request.filter)) {
    if (request.seq > 0 && brief->seq != request.seq) continue;
    if (request.up_to_seq > 0 && brief->seq > request.up_to_seq) continue;
    if (all.size() == request.limit || clock.now() >= deadline) break;
    const auto letter = journal.read(brief->seq);
    if (!letter || !request.filter.passes(*letter)) continue;
    BlockedRows& stuck = left[letter->why.stage.text()];
    if (letter->kept.empty())
      all.push_back({letter->seq, letter->event_id, Result::not_replayable,
                     "its row images were left out (max_event_bytes): acknowledge it"});
    else if (stuck.blocks(letter->rows, letter->why.order))
      all.push_back({letter->seq, letter->event_id, Result::behind, "an older entry of its row was not delivered"});
    else
      all.push_back(send(run, *letter, clock, deadline));
    if (all.back().result != Result::delivered) stuck.add(letter->rows, letter->why.order);
  }
  return all;
}

}  // namespace deltaforge::pipeline
