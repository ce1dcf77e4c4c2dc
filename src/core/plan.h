// What a start would find and do, told without doing it (`deltaforge plan`). A component fills a PlanReport on one
// thread; server/plan_text.cc prints it. Texts never hold a secret.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace deltaforge {

struct Finding {
  enum class Kind {
    fact,     // found as it should be
    step,     // would be done
    warning,  // it would start all the same
    problem,  // it would not start, or not run
  };
  Kind kind = Kind::fact;
  std::string text;
  std::string remedy;              // of a warning or a problem: the option or statement that mends it
  std::vector<std::string> lines;  // of a fact: names; of a step: its statements
};

class PlanReport {
 public:
  void fact(std::string text, std::vector<std::string> names = {}) {
    findings_.push_back({Finding::Kind::fact, std::move(text), {}, std::move(names)});
  }
  void step(std::string text, std::vector<std::string> statements = {}) {
    findings_.push_back({Finding::Kind::step, std::move(text), {}, std::move(statements)});
  }
  void warning(std::string text, std::string remedy = {}) {
    findings_.push_back({Finding::Kind::warning, std::move(text), std::move(remedy), {}});
  }
  void problem(std::string text, std::string remedy = {}) {
    findings_.push_back({Finding::Kind::problem, std::move(text), std::move(remedy), {}});
  }
  // Runs what a start would run, too; an Error that it throws is a problem. False: it threw.
  template <class Check>
  bool check(Check&& check) try {
    check();
    return true;
  } catch (const Error& error) {
    problem(error.message(), error.hint());
    return false;
  }

  const std::vector<Finding>& findings() const { return findings_; }

 private:
  std::vector<Finding> findings_;
};

}  // namespace deltaforge
