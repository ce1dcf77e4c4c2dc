// A simulated operator: mends stages, and retries, acknowledges and purges dead letters, as the REST interface does.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/journal.h"
#include "pipeline/row_keys.h"
#include "pipeline/testing/sim_rows.h"

namespace deltaforge::pipeline::testing {

class SimEngine;

class SimOperator {
 public:
  SimOperator(SimWorld& world, SimRows& rows, Journal& journal) : world_(world), rows_(rows), journal_(journal) {}

  // Does something, or waits for an answer. Never throws Error.
  void step(SimEngine&);
  // The engine is gone, and so are its answers.
  void crashed() { session_.reset(); }
  std::string describe() const;

 private:
  // The loop of retry.cc, one entry a step.
  struct Session {
    std::vector<DeadLetter> letters;
    std::size_t next = 0;
    std::map<std::string, BlockedRows> left;
    struct Answer {
      bool done = false;
      std::optional<std::string> failure;
    };
    std::shared_ptr<Answer> answer;  // of the entry before `next`
  };
  void decide();
  void begin_retry();
  void go_on(SimEngine&);

  SimWorld& world_;
  SimRows& rows_;
  Journal& journal_;
  std::optional<Session> session_;
};

}  // namespace deltaforge::pipeline::testing
