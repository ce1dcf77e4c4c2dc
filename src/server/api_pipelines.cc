// The routes that show and change pipelines.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/edit.h"
#include "config/parse.h"
#include "server/api.h"
#include "server/problem.h"

namespace deltaforge::server {

using pipeline::ErrorInfo;
using Json = nlohmann::ordered_json;
using pipeline::PipelineStatus;
using pipeline::Status;

namespace {

constexpr std::chrono::seconds kStopDeadline{25};

Response json(const Json& body, int status = 200) {
  return {status, body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Response no_pipeline(const std::string& name) {
  return problem(404, "PIPELINE_NOT_FOUND", "no pipeline '" + name + "'; GET /pipelines lists them");
}

// Text that is JSON, or null when it is empty.
Json embedded(const std::string& text) { return text.empty() ? Json(nullptr) : Json::parse(text); }
Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json error_of(const PipelineStatus& state) {
  if (!state.error) return nullptr;
  return {{"kind", state.error->kind}, {"message", state.error->message}, {"hint", state.error->hint}};
}

Json pipe_info(const PipelineInfo& info) {
  return {{"name", info.name},
          {"status", to_string(info.state.status)},
          {"spec", embedded(info.spec)},
          {"error", error_of(info.state)}};
}

// Connected and processing, as far as that is asked of it. A sink that is away alone does not count against it.
bool is_ready(const PipelineStatus& state) {
  switch (state.status) {
    case Status::running:
    case Status::paused:
    case Status::stopped: return true;
    case Status::degraded: return state.processing;
    case Status::starting:
    case Status::failed: return false;
  }
  return false;
}

Json checkpoints_of(const PipelineStatus& state) {
  Json checkpoints = Json::array();
  for (const auto& sink : state.sinks)
    checkpoints.push_back({{"sink_id", sink.id},
                           {"position", embedded(sink.position)},
                           {"age_seconds", optional_number(sink.age_seconds)}});
  return checkpoints;
}

Json ops_of(const PipelineStatus& state) {
  Json errors = Json::object(), sinks = Json::array();
  for (const auto& sink : state.sinks) {
    if (sink.error) errors[sink.id] = *sink.error;
    sinks.push_back({{"id", sink.id},
                     {"type", sink.type},
                     {"required", sink.required},
                     {"state", sink.state},
                     {"behind", sink.behind}});
  }
  return {{"uptime_seconds", state.uptime_seconds},
          {"dlq_entries", state.journal ? state.journal->entries : 0},
          {"dlq_parked", state.journal ? state.journal->parked : 0},
          {"dlq_data_loss", state.journal ? state.journal->lost : 0},
          {"sink_errors", errors},
          {"lag_seconds", optional_number(state.lag_seconds)},
          {"warnings", state.warnings},
          {"sinks", sinks},
          {"checkpoints", checkpoints_of(state)}};
}

// `wanted` is "key:value" or "key".
bool has_label(const PipelineInfo& info, const std::string& wanted) {
  std::size_t colon = wanted.find(':');
  auto label = info.labels.find(wanted.substr(0, colon));
  if (label == info.labels.end()) return false;
  return colon == std::string::npos || label->second == wanted.substr(colon + 1);
}

// All that is wrong, each with the place in the body (or in the file that a change was made to).
Json errors_of(const config::Report& report) {
  Json errors = Json::array();
  for (const config::Problem& problem : report.problems())
    errors.push_back({{"path", problem.path},
                      {"line", problem.place.line},
                      {"column", problem.place.column},
                      {"message", problem.message}});
  return errors;
}

Json texts_of(const config::Report& report) {
  Json texts = Json::array();
  for (const config::Problem& problem : report.problems()) texts.push_back(problem.text());
  return texts;
}

Response invalid(const std::string& code, const config::Report& report) {
  return json({{"code", code}, {"message", report.text()}, {"errors", errors_of(report)}}, 400);
}

// Why the manager did not do it.
Response refusal(const ErrorInfo& why) {
  const bool conflict =
      why.kind == "SOURCE_ID_IN_USE" || why.kind == "SOURCE_ID_CHANGED" || why.kind == "PIPELINE_RUNNING";
  const std::string message = why.hint.empty() ? why.message : why.message + " (" + why.hint + ")";
  if (conflict) return problem(409, why.kind, message);
  return problem(why.kind == "storage" || why.kind == "unavailable" ? 503 : 400, "PIPELINE_NOT_STARTED", message);
}

// There is nothing that a `***` could stand for.
void refuse_masks(Document& document) {
  config::Report masks;
  config::merge({}, document.root, masks);
  if (masks.ok()) return;
  for (const config::Problem& mask : masks.problems()) document.problems.add(mask);
  document.spec.reset();
}

// The one document that a body must hold. Its problems when it is not one.
Document read_one(const Request& request, const Catalogue& catalogue) {
  std::vector<Document> documents = read_request(request.body, "body", catalogue);
  Document document = std::move(documents.at(0));
  if (documents.size() > 1) {
    document.problems.add(documents[1].root, "a second document: send one pipeline a request");
    document.spec.reset();
  }
  refuse_masks(document);
  return document;
}

// A document that has no tree could not be read at all.
std::string code_of(const Document& document) { return document.root.is_null() ? "INVALID_BODY" : "INVALID_CONFIG"; }

}  // namespace

Response Api::health(const Call&) {
  std::vector<std::string> failed, degraded, lossy;
  std::vector<PipelineInfo> infos = manager_.list();
  for (const PipelineInfo& info : infos) {
    if (info.state.status == Status::failed) failed.push_back(info.name);
    if (info.state.journal && info.state.journal->lost > 0) lossy.push_back(info.name);
    if (info.state.status == Status::degraded || (!lossy.empty() && lossy.back() == info.name))
      degraded.push_back(info.name);
  }
  if (!failed.empty()) return json({{"status", "unhealthy"}, {"failed_pipelines", failed}}, 503);
  if (!degraded.empty()) {
    Json body{{"status", "degraded"}, {"pipelines", infos.size()}, {"degraded_pipelines", degraded}};
    if (!lossy.empty()) body["dlq_data_loss"] = lossy;
    return json(body);
  }
  return json({{"status", "healthy"}, {"pipelines", infos.size()}});
}

// Specs are shown to whom the API would show them.
Response Api::ready(const Call& call) {
  const bool with_specs = !access_.refusal(call.request);
  bool all = true;
  Json entries = Json::array();
  for (const PipelineInfo& info : manager_.list()) {
    all = all && is_ready(info.state);
    Json entry = pipe_info(info);
    if (!with_specs) entry.erase("spec");
    entries.push_back(std::move(entry));
  }
  return json({{"status", all ? "ready" : "not_ready"}, {"pipelines", entries}}, all ? 200 : 503);
}

Response Api::validate(const Call& call) {
  const Document document = read_one(call.request, catalogue_);
  const config::Report& problems = document.problems;
  if (!document.spec) return json({{"valid", false}, {"error", problems.text()}, {"errors", errors_of(problems)}}, 400);
  return json({{"valid", true},
               {"pipeline", document.name},
               {"source_type", document.spec->source.type},
               {"sink_count", document.spec->sinks.size()},
               {"warnings", texts_of(document.warnings)}});
}

Response Api::list(const Call& call) {
  Json result = Json::array();
  for (const PipelineInfo& info : manager_.list()) {
    bool wanted = std::ranges::all_of(call.request.query, [&](const auto& argument) {
      return argument.first != "label" || has_label(info, argument.second);
    });
    if (wanted) result.push_back(pipe_info(info));
  }
  return json(result);
}

Response Api::show(const Call& call) {
  auto info = manager_.find(call.name);
  if (!info) return no_pipeline(call.name);
  Json body = pipe_info(*info);
  body["ops"] = ops_of(info->state);
  return json(body);
}

Response Api::create(const Call& call) {
  Document document = read_one(call.request, catalogue_);
  if (!document.spec) return invalid(code_of(document), document.problems);
  const std::string name = document.name;
  const Outcome outcome = manager_.create(std::move(document));
  if (outcome.change == Change::exists)
    return problem(409, "PIPELINE_ALREADY_EXISTS", "pipeline '" + name + "' exists; PATCH changes it");
  if (outcome.error) return refusal(*outcome.error);
  auto info = manager_.find(name);
  return info ? json(pipe_info(*info)) : no_pipeline(name);
}

Response Api::patch(const Call& call) {
  config::Report syntax;
  config::ParseOptions options;
  options.expansion = config::Expansion::secrets_only;
  const auto parsed = config::parse(call.request.body, "body", syntax, options);
  if (syntax.ok() && (parsed.size() != 1 || !parsed[0].root.is_map()))
    syntax.add(config::Problem{"body", {}, "", "expected a map with the fields that change"});
  if (!syntax.ok()) return invalid("INVALID_BODY", syntax);
  const config::Node& change = parsed[0].root;

  bool renamed = false;
  const Outcome outcome = manager_.patch(call.name, [&](const Document& now) {
    config::Report problems;
    const config::Node merged = config::merge(now.root, change, problems);
    Document next = check_document(merged, now.fallback_name, catalogue_);
    renamed = next.name != now.name;
    for (const config::Problem& each : problems.problems()) next.problems.add(each);
    if (renamed || !next.problems.ok()) next.spec.reset();
    return next;
  });
  if (outcome.change == Change::unknown_pipeline) return no_pipeline(call.name);
  if (outcome.change == Change::invalid && renamed && outcome.problems.ok())
    return problem(400, "PIPELINE_NAME_MISMATCH",
                   "metadata.name is not '" + call.name + "': a pipeline keeps its name; make another with POST");
  if (outcome.change == Change::invalid) return invalid("INVALID_CONFIG", outcome.problems);
  if (outcome.error) return refusal(*outcome.error);
  auto info = manager_.find(call.name);
  return info ? json(pipe_info(*info)) : no_pipeline(call.name);
}

Response Api::remove(const Call& call) {
  const bool keep_state = std::ranges::any_of(call.request.query, [](const auto& argument) {
    return argument.first == "keep_state" && argument.second != "false";
  });
  const Outcome outcome = manager_.remove(call.name, keep_state);
  if (outcome.change == Change::unknown_pipeline) return no_pipeline(call.name);
  if (outcome.error)
    return problem(
        outcome.error->kind == "config" ? 409 : 503, "PIPELINE_NOT_DELETED",
        outcome.error->message + " (try again; ?keep_state=true leaves positions and the server as they are)");
  return {204, ""};
}

Response Api::answer_change(const std::string& name, std::string_view verb, Change change) {
  auto info = manager_.find(name);
  if (change == Change::unknown_pipeline || !info) return no_pipeline(name);
  if (change == Change::refused) {
    std::string why = info->state.error ? info->state.error->message : "the process is shutting down";
    return problem(409, "PIPELINE_NOT_RUNNABLE", "pipeline '" + name + "' cannot " + std::string(verb) + ": " + why);
  }
  return json(pipe_info(*info));
}

Response Api::pause(const Call& call) { return answer_change(call.name, "pause", manager_.pause(call.name)); }
Response Api::resume(const Call& call) { return answer_change(call.name, "resume", manager_.resume(call.name)); }
Response Api::stop(const Call& call) {
  return answer_change(call.name, "stop", manager_.stop(call.name, kStopDeadline));
}

Response Api::checkpoints(const Call& call) {
  auto info = manager_.find(call.name);
  return info ? json(checkpoints_of(info->state)) : no_pipeline(call.name);
}

Response Api::reset(const Call& call) {
  const Outcome outcome = manager_.reset(call.name);
  if (outcome.change == Change::unknown_pipeline) return no_pipeline(call.name);
  return outcome.error ? refusal(*outcome.error) : Response{204, ""};
}

Response Api::no_sensing(const Call& call) {
  if (!manager_.find(call.name)) return no_pipeline(call.name);
  return problem(404, "SENSING_DISABLED", "pipeline '" + call.name + "' senses no schemas: not in this build");
}

}  // namespace deltaforge::server
