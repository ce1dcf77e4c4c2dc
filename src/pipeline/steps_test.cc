#include "pipeline/steps.h"

#include <gtest/gtest.h>

namespace deltaforge::pipeline {
namespace {

using Ids = std::vector<std::string>;

Ids steps(const Ids& now, const Ids& before, const Ids& kept) {
  std::vector<ProcessorMaker> makers;
  for (const std::string& id : now) makers.push_back({.type = "x", .id = id, .build = {}});
  Ids ids;
  for (const StepSpec& step : find_steps(makers, before, kept))
    ids.push_back(step.maker ? step.id : "(" + step.id + ")");
  return ids;
}

TEST(StepsTest, AProcessorThatIsGoneKeepsItsPlaceWhileTheJournalHasEventsOfIt) {
  EXPECT_EQ(steps({"a", "c"}, {"a", "b", "c"}, {}), (Ids{"a", "c"}));
  EXPECT_EQ(steps({"a", "c"}, {"a", "b", "c"}, {"b"}), (Ids{"a", "(b)", "c"}));
  EXPECT_EQ(steps({"a", "c"}, {"a", "b", "c"}, {"a", "c"}), (Ids{"a", "c"}));
  EXPECT_EQ(steps({}, {"a", "b"}, {"b", "a"}), (Ids{"(a)", "(b)"}));
  EXPECT_EQ(steps({"b2", "c"}, {"a", "b", "c"}, {"b"}), (Ids{"(b)", "b2", "c"})) << "renamed, and `a` went as well";
  EXPECT_EQ(steps({"c", "a"}, {"a", "b", "c"}, {"b"}), (Ids{"c", "a", "(b)"})) << "in another order";
  EXPECT_EQ(steps({"a"}, {}, {"x"}), (Ids{"(x)", "a"})) << "nobody knows where";
}

}  // namespace
}  // namespace deltaforge::pipeline
