#include "pipeline/testing/sim_operator.h"

#include <fmt/format.h>

#include "base/error.h"
#include "pipeline/testing/sim_engine.h"

namespace deltaforge::pipeline::testing {

void SimOperator::step(SimEngine& engine) try {
  if (session_)
    go_on(engine);
  else
    decide();
} catch (const Error& error) {
  if (error.kind() != ErrorKind::storage) world_.broken(std::string("the journal: ") + error.what());
  session_.reset();
}

void SimOperator::decide() {
  const unsigned what = world_.faults ? world_.pick(40) : 39;
  if (what == 0) {
    const auto stages = rows_.stages();
    rows_.mend(stages[world_.pick(static_cast<unsigned>(stages.size()))]);
  } else if (what == 1) {
    const auto some = journal_.list({}, 1 + world_.pick(5));
    if (!some.empty()) journal_.acknowledge(some.back().seq);
  } else if (what == 2) {
    if (world_.pick(4) == 0) journal_.purge();
  } else if (what > 20) {
    begin_retry();
  }
}

void SimOperator::begin_retry() {
  Journal::Filter filter;
  const std::string stage = rows_.stages()[world_.pick(static_cast<unsigned>(rows_.stages().size()))];
  const std::string id = stage.substr(stage.find(':') + 1);
  if (world_.pick(2) == 0) (stage.starts_with("sink:") ? filter.sink : filter.processor) = id;
  auto letters = journal_.list(filter, 1 + world_.pick(50));
  if (!letters.empty()) session_ = Session{std::move(letters), 0, {}, nullptr};
}

void SimOperator::go_on(SimEngine& engine) {
  if (session_->answer) {
    const DeadLetter& sent = session_->letters[session_->next - 1];
    const bool gives_up_waiting = world_.pick(200) == 0;
    if (!session_->answer->done && !gives_up_waiting) return;
    if (!session_->answer->done || session_->answer->failure)
      session_->left[sent.why.stage.text()].add(sent.rows, sent.why.order);
    session_->answer.reset();
  }
  if (session_->next == session_->letters.size()) return session_.reset();
  const DeadLetter& letter = session_->letters[session_->next++];
  BlockedRows& stuck = session_->left[letter.why.stage.text()];
  if (stuck.blocks(letter.rows, letter.why.order)) return stuck.add(letter.rows, letter.why.order);
  auto answer = std::make_shared<Session::Answer>();
  const auto problem = engine.replay(letter, [answer](std::optional<std::string> failure) {
    answer->done = true;
    answer->failure = std::move(failure);
  });
  if (problem)
    stuck.add(letter.rows, letter.why.order);
  else
    session_->answer = std::move(answer);
}

std::string SimOperator::describe() const {
  return fmt::format("dead letters {}, parked {}, {}", journal_.count(), journal_.parked_count(),
                     session_ ? fmt::format("retrying {} of {}, waiting {}", session_->next, session_->letters.size(),
                                            session_->answer != nullptr)
                              : "no retry");
}

}  // namespace deltaforge::pipeline::testing
