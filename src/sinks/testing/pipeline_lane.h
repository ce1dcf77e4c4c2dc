// The pipeline's own lane for one sink, stepped by the test. Positions are numbers.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "core/component.h"
#include "pipeline/commit_rule.h"
#include "pipeline/lane.h"
#include "pipeline/ledger.h"
#include "sinks/testing/numbers.h"

namespace deltaforge::sinks::testing {

class PipelineLane {
 public:
  void start(SinkMaker made) {
    ledger_.begin(0, position(0));
    SinkContext context;
    context.pipeline = "shop";
    context.recall = [this] { return note_; };
    context.remember = [this](std::string_view note) { note_ = note; };
    auto nothing = [] {};
    lane_.emplace(pipeline::Lane::Parts{.index = 0,
                                        .maker = std::move(made),
                                        .context = std::move(context),
                                        .algebra = algebra_,
                                        .codec = codec_,
                                        .ledger = ledger_,
                                        .clock = Clock::system(),
                                        .probe = pipeline::LaneProbe("shop", "sink", true),
                                        .freed = nothing,
                                        .retired = nothing,
                                        .rejoin = nothing,
                                        .opened = nothing,
                                        .seed = 1},
                  8);
    lane_->begin(position(0));
  }
  // Between start() and the end.
  pipeline::Lane* operator->() { return &*lane_; }
  std::string trouble() const { return lane_->trouble().value_or("no trouble"); }

 private:
  std::string note_;  // see SinkContext::remember
  NumberCodec codec_;
  Numbers algebra_;
  pipeline::Ledger ledger_{1, algebra_, pipeline::CommitRule(pipeline::CommitPolicy{}, {true}), Clock::system()};
  std::optional<pipeline::Lane> lane_;
};

}  // namespace deltaforge::sinks::testing
