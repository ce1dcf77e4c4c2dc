#include "server/plan_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "obs/log.h"

namespace deltaforge::server {
namespace {

PipelinePlan shop() {
  PipelinePlan plan{"shop", "shop.yaml", {{"document", "", "", {}}, {"source", "db", "postgres", {}}}};
  PlanReport& report = plan.parts[1].report;
  report.fact("tables that match: 2", {"public.a", "public.b"});
  report.step("makes the slot", {"CREATE_REPLICATION_SLOT s", "second;"});
  report.warning("matches nothing", "check `tables`");
  return plan;
}

TEST(PlanText, ShowsEachFindingWithWhatFollowsFromIt) {
  EXPECT_EQ(print_text({shop()}), R"(pipeline shop (shop.yaml)
  document: ok
  source db (postgres)
    - tables that match: 2: public.a, public.b
    + makes the slot
        CREATE_REPLICATION_SLOT s
        second;
    warning: matches nothing
        check `tables`
  would start
)");
}

TEST(PlanText, CountsProblems) {
  PipelinePlan plan = shop();
  EXPECT_FALSE(plan.parts[1].report.check([] { throw Error(ErrorKind::auth, "may not", "GRANT it;"); }));
  EXPECT_TRUE(plan.parts[1].report.check([] {}));
  const std::string text = print_text({plan, shop()});
  EXPECT_NE(text.find("    PROBLEM: may not\n        GRANT it;\n  would not start: 1 problem\n\npipeline shop"),
            std::string::npos)
      << text;
  plan.parts[0].report.problem("and this");
  EXPECT_NE(print_text({plan}).find("would not start: 2 problems\n"), std::string::npos);
}

TEST(PlanText, CutsWhatIsLongAndJsonDoesNot) {
  PipelinePlan plan{"p", "f", {{"source", "", "", {}}}};
  std::vector<std::string> names;
  for (int i = 0; i < 500; ++i) names.push_back("t" + std::to_string(i));
  plan.parts[0].report.fact("tables", names);
  plan.parts[0].report.step("makes", {std::string(399, 'x') + "žž" + std::string(1000, 'y')});
  const std::string text = print_text({plan});
  EXPECT_NE(text.find("t9 and 490 more\n"), std::string::npos) << text;
  EXPECT_NE(text.find(std::string(399, 'x') + " ... and 1004 bytes more: --json\n"), std::string::npos) << text;
  const auto json = nlohmann::json::parse(print_json({plan}));
  EXPECT_EQ(json["pipelines"][0]["parts"][0]["findings"][0]["names"].size(), 500U);
  EXPECT_EQ(json["pipelines"][0]["parts"][0]["findings"][1]["statements"][0].get<std::string>().size(), 1403U);
}

TEST(PlanText, Json) {
  PipelinePlan bad = shop();
  bad.name = "bad";
  bad.parts[1].report.problem("no", "do");
  const auto json = nlohmann::json::parse(print_json({shop(), bad}));
  EXPECT_EQ(json["would_start"], false);
  EXPECT_EQ(json["pipelines"][0]["would_start"], true);
  EXPECT_EQ(json["pipelines"][1]["problems"], 1);
  EXPECT_EQ(json["pipelines"][1]["parts"][1]["findings"][3],
            nlohmann::json({{"kind", "problem"}, {"text", "no"}, {"remedy", "do"}}));
  EXPECT_EQ(json["pipelines"][1]["parts"][1]["type"], "postgres");
}

TEST(PlanText, MasksWhatSlippedThrough) {
  PipelinePlan plan{"p", "f", {{"source", "", "", {}}}};
  plan.parts[0].report.problem("connecting to postgres://u:canary@h", "try password=canary");
  EXPECT_EQ(print_text({plan}).find("canary"), std::string::npos);
  EXPECT_EQ(print_json({plan}).find("canary"), std::string::npos);
}

TEST(Plan, OfADocumentThatIsWrong) {
  std::ostringstream out;
  EXPECT_EQ(plan({"/nowhere.yaml"}, {}, {.offline = true}, out), kInvalid);
  obs::configure_log(obs::Level::info, obs::Format::json);  // as it was: other tests read the log
  EXPECT_NE(out.str().find("PROBLEM: /nowhere.yaml"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("would not start: 1 problem\n"), std::string::npos) << out.str();
}

}  // namespace
}  // namespace deltaforge::server
