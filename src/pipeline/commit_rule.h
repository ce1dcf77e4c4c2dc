// The commit policy as a rule over sinks: which may be missing. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "pipeline/options.h"

namespace deltaforge::pipeline {

class CommitRule {
 public:
  CommitRule(CommitPolicy policy, std::vector<bool> required) : policy_(policy), required_(std::move(required)) {}

  // Is a batch committed when exactly these sinks have it?
  bool satisfied(const std::vector<bool>& has) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < has.size(); ++i) {
      count += has[i];
      if (policy_.mode == CommitMode::all && !has[i]) return false;
      if (policy_.mode == CommitMode::required && required_[i] && !has[i]) return false;
    }
    if (policy_.mode == CommitMode::quorum) return count >= static_cast<std::size_t>(policy_.quorum.value_or(1));
    return count > 0;
  }

  // May sink `index` drop out of the attached ones, leaving the policy satisfiable without it?
  bool may_detach(std::size_t index, std::vector<bool> attached) const {
    attached[index] = false;
    return satisfied(attached);
  }

 private:
  CommitPolicy policy_;
  std::vector<bool> required_;
};

}  // namespace deltaforge::pipeline
