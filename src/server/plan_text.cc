#include "server/plan_text.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/redact.h"

namespace deltaforge::server {
namespace {

using Kind = Finding::Kind;

constexpr std::size_t kMostNames = 10;
constexpr std::size_t kLongestStatement = 400;

std::string_view mark(Kind kind) {
  switch (kind) {
    case Kind::fact: return "-";
    case Kind::step: return "+";
    case Kind::warning: return "warning:";
    case Kind::problem: return "PROBLEM:";
  }
  return "";
}

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::fact: return "fact";
    case Kind::step: return "step";
    case Kind::warning: return "warning";
    case Kind::problem: return "problem";
  }
  return "";
}

// Never in the middle of a character.
std::string cut(std::string text) {
  if (text.size() <= kLongestStatement) return text;
  std::size_t end = kLongestStatement;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  const std::size_t rest = text.size() - end;
  text.resize(end);
  return text + fmt::format(" ... and {} bytes more: --json", rest);
}

std::string names_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNames); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMostNames) text += fmt::format(" and {} more", names.size() - kMostNames);
  return text;
}

void print(const Finding& finding, std::string& out) {
  auto to = std::back_inserter(out);
  fmt::format_to(to, "    {} {}", mark(finding.kind), config::mask_secrets(finding.text));
  if (finding.kind == Kind::fact && !finding.lines.empty()) fmt::format_to(to, ": {}", names_of(finding.lines));
  out += '\n';
  if (finding.kind == Kind::step)
    for (const std::string& statement : finding.lines) fmt::format_to(to, "        {}\n", cut(statement));
  if (!finding.remedy.empty()) fmt::format_to(to, "        {}\n", cut(config::mask_secrets(finding.remedy)));
}

std::string verdict(const PipelinePlan& plan) {
  const std::size_t problems = plan.problems();
  if (problems == 0) return "would start";
  return fmt::format("would not start: {} problem{}", problems, problems == 1 ? "" : "s");
}

}  // namespace

std::string print_text(const std::vector<PipelinePlan>& plans) {
  std::string out;
  auto to = std::back_inserter(out);
  for (const PipelinePlan& plan : plans) {
    fmt::format_to(to, "{}pipeline {} ({})\n", out.empty() ? "" : "\n", plan.name, plan.file);
    for (const PlanPart& part : plan.parts) {
      fmt::format_to(to, "  {}{}{}{}\n", part.what, part.id.empty() ? "" : " " + part.id,
                     part.type.empty() ? "" : " (" + part.type + ")", part.report.findings().empty() ? ": ok" : "");
      for (const Finding& finding : part.report.findings()) print(finding, out);
    }
    fmt::format_to(to, "  {}\n", verdict(plan));
  }
  return out;
}

std::string print_json(const std::vector<PipelinePlan>& plans) {
  using nlohmann::ordered_json;
  ordered_json all = ordered_json::array();
  bool would_start = true;
  for (const PipelinePlan& plan : plans) {
    ordered_json parts = ordered_json::array();
    for (const PlanPart& part : plan.parts) {
      ordered_json findings = ordered_json::array();
      for (const Finding& finding : part.report.findings()) {
        ordered_json one{{"kind", name(finding.kind)}, {"text", config::mask_secrets(finding.text)}};
        if (!finding.remedy.empty()) one["remedy"] = config::mask_secrets(finding.remedy);
        if (!finding.lines.empty()) one[finding.kind == Kind::step ? "statements" : "names"] = finding.lines;
        findings.push_back(std::move(one));
      }
      ordered_json one{{"part", part.what}};
      if (!part.id.empty()) one["id"] = part.id;
      if (!part.type.empty()) one["type"] = part.type;
      one["findings"] = std::move(findings);
      parts.push_back(std::move(one));
    }
    would_start = would_start && plan.problems() == 0;
    all.push_back({{"name", plan.name},
                   {"file", plan.file},
                   {"would_start", plan.problems() == 0},
                   {"problems", plan.problems()},
                   {"parts", std::move(parts)}});
  }
  const ordered_json document{{"would_start", would_start}, {"pipelines", std::move(all)}};
  return document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace deltaforge::server
