#include "server/api.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "obs/metrics.h"

namespace deltaforge::server {

using Json = nlohmann::ordered_json;
using pipeline::PipelineStatus;
using pipeline::Status;

namespace {

constexpr std::chrono::seconds kStopDeadline{25};

Response json(const Json& body, int status = 200) {
  return {status, body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Response problem(int status, const std::string& code, const std::string& message) {
  return json({{"code", code}, {"message", message}}, status);
}

Response wrong_method(const std::string& allow) {
  Response response = problem(405, "METHOD_NOT_ALLOWED", "this route answers " + allow + " only");
  response.allow = allow;
  return response;
}

Response no_pipeline(const std::string& name) {
  return problem(404, "PIPELINE_NOT_FOUND", "no pipeline '" + name + "'; GET /pipelines lists them");
}

Json error_of(const PipelineStatus& state) {
  if (!state.error) return nullptr;
  return {{"kind", state.error->kind}, {"message", state.error->message}, {"hint", state.error->hint}};
}

// Text that is JSON, or null when it is empty.
Json embedded(const std::string& text) { return text.empty() ? Json(nullptr) : Json::parse(text); }

Json pipe_info(const PipelineInfo& info) {
  return {{"name", info.name},
          {"status", to_string(info.state.status)},
          {"spec", embedded(info.spec)},
          {"error", error_of(info.state)}};
}

Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json ops_of(const PipelineStatus& state) {
  Json errors = Json::object(), checkpoints = Json::array(), sinks = Json::array();
  for (const auto& sink : state.sinks) {
    if (sink.error) errors[sink.id] = *sink.error;
    checkpoints.push_back({{"sink_id", sink.id},
                           {"position", embedded(sink.position)},
                           {"age_seconds", optional_number(sink.age_seconds)}});
    sinks.push_back({{"id", sink.id},
                     {"type", sink.type},
                     {"required", sink.required},
                     {"state", sink.state},
                     {"behind", sink.behind}});
  }
  return {{"uptime_seconds", state.uptime_seconds},
          {"dlq_entries", 0},
          {"sink_errors", errors},
          {"lag_seconds", optional_number(state.lag_seconds)},
          {"warnings", state.warnings},
          {"sinks", sinks},
          {"checkpoints", checkpoints}};
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

// `wanted` is "key:value" or "key".
bool has_label(const PipelineInfo& info, const std::string& wanted) {
  std::size_t colon = wanted.find(':');
  auto label = info.labels.find(wanted.substr(0, colon));
  if (label == info.labels.end()) return false;
  return colon == std::string::npos || label->second == wanted.substr(colon + 1);
}

// Methods as metric labels: a closed set.
std::string_view known_method(std::string_view method) {
  constexpr std::array<std::string_view, 6> kKnown{"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"};
  auto found = std::ranges::find(kKnown, method);
  return found == kKnown.end() ? "other" : *found;
}

bool reads(const Request& request) { return request.method == "GET" || request.method == "HEAD"; }

}  // namespace

Response Api::handle(const Request& request) {
  std::string_view pattern = "unmatched";
  Response response = route(request, pattern);
  obs::Metrics::instance()
      .counter("deltaforge_api_requests_total", {{"route", std::string(pattern)},
                                                 {"method", std::string(known_method(request.method))},
                                                 {"status", std::to_string(response.status)}})
      .add();
  return response;
}

Response Api::handle_metrics_only(const Request& request) {
  if (request.path != "/metrics") return problem(404, "NOT_FOUND", "only /metrics is served here");
  return reads(request) ? metrics() : wrong_method("GET");
}

Response Api::route(const Request& request, std::string_view& pattern) {
  struct Fixed {
    std::string_view path;
    Response (Api::*answer)() const;
  };
  static constexpr std::array<Fixed, 4> kProbes{
      {{"/health", &Api::health}, {"/livez", &Api::alive}, {"/ready", &Api::ready}, {"/metrics", &Api::metrics}}};
  for (const Fixed& probe : kProbes) {
    if (request.path != probe.path) continue;
    pattern = probe.path;
    return reads(request) ? (this->*probe.answer)() : wrong_method("GET");
  }
  if (closed_)
    return problem(401, "TOKEN_REQUIRED",
                   "this API can be reached from other machines and no token protects it; listen on 127.0.0.1 with "
                   "--api-addr, or open it to everybody with --insecure-listen");
  return route_pipelines(request, pattern);
}

Response Api::route_pipelines(const Request& request, std::string_view& pattern) {
  constexpr std::string_view kPrefix = "/pipelines";
  std::string_view rest = request.path;
  if (!rest.starts_with(kPrefix)) return problem(404, "NOT_FOUND", "no such route");
  rest.remove_prefix(kPrefix.size());
  if (rest.empty() || rest == "/") {
    pattern = kPrefix;
    return reads(request) ? list(request) : wrong_method("GET");
  }
  if (rest.front() != '/') return problem(404, "NOT_FOUND", "no such route");
  rest.remove_prefix(1);

  // Names of documents that could not be loaded are paths of files, so a name may hold slashes: the verb is the last
  // part, when it is one.
  struct Verb {
    std::string_view suffix, pattern;
  };
  static constexpr std::array<Verb, 3> kVerbs{{{"/pause", "/pipelines/{name}/pause"},
                                               {"/resume", "/pipelines/{name}/resume"},
                                               {"/stop", "/pipelines/{name}/stop"}}};
  for (const Verb& verb : kVerbs) {
    if (!rest.ends_with(verb.suffix)) continue;
    pattern = verb.pattern;
    std::string name(rest.substr(0, rest.size() - verb.suffix.size()));
    return request.method == "POST" ? act(name, verb.suffix.substr(1)) : wrong_method("POST");
  }
  pattern = "/pipelines/{name}";
  return reads(request) ? show(std::string(rest)) : wrong_method("GET");
}

Response Api::alive() const { return json({{"status", "ok"}}); }

Response Api::health() const {
  std::vector<std::string> failed, degraded;
  std::vector<PipelineInfo> infos = manager_.list();
  for (const PipelineInfo& info : infos) {
    if (info.state.status == Status::failed) failed.push_back(info.name);
    if (info.state.status == Status::degraded) degraded.push_back(info.name);
  }
  if (!failed.empty()) return json({{"status", "unhealthy"}, {"failed_pipelines", failed}}, 503);
  if (!degraded.empty())
    return json({{"status", "degraded"}, {"pipelines", infos.size()}, {"degraded_pipelines", degraded}});
  return json({{"status", "healthy"}, {"pipelines", infos.size()}});
}

Response Api::ready() const {
  bool all = true;
  Json entries = Json::array();
  for (const PipelineInfo& info : manager_.list()) {
    all = all && is_ready(info.state);
    Json entry = pipe_info(info);
    if (closed_) entry.erase("spec");
    entries.push_back(std::move(entry));
  }
  return json({{"status", all ? "ready" : "not_ready"}, {"pipelines", entries}}, all ? 200 : 503);
}

Response Api::metrics() const {
  manager_.publish_metrics();
  return {200, obs::Metrics::instance().text(), "text/plain; version=0.0.4; charset=utf-8"};
}

Response Api::list(const Request& request) const {
  Json result = Json::array();
  for (const PipelineInfo& info : manager_.list()) {
    bool wanted = std::ranges::all_of(request.query, [&](const auto& argument) {
      return argument.first != "label" || has_label(info, argument.second);
    });
    if (wanted) result.push_back(pipe_info(info));
  }
  return json(result);
}

Response Api::show(const std::string& name) const {
  auto info = manager_.find(name);
  if (!info) return no_pipeline(name);
  Json body = pipe_info(*info);
  body["ops"] = ops_of(info->state);
  return json(body);
}

Response Api::act(const std::string& name, std::string_view verb) {
  Change change = verb == "pause"    ? manager_.pause(name)
                  : verb == "resume" ? manager_.resume(name)
                                     : manager_.stop(name, kStopDeadline);
  if (change == Change::unknown_pipeline) return no_pipeline(name);
  auto info = manager_.find(name);
  if (change == Change::refused) {
    std::string why = info->state.error ? info->state.error->message : "the process is shutting down";
    return problem(409, "PIPELINE_NOT_RUNNABLE", "pipeline '" + name + "' cannot " + std::string(verb) + ": " + why);
  }
  return json(pipe_info(*info));
}

}  // namespace deltaforge::server
