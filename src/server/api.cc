#include "server/api.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include <fmt/format.h>

#include "obs/log.h"
#include "obs/metrics.h"
#include "server/cli.h"
#include "server/problem.h"

namespace deltaforge::server {

namespace {

constexpr std::string_view kName = "{name}";

// Methods as metric labels: a closed set.
std::string_view known_method(std::string_view method) {
  constexpr std::array<std::string_view, 6> kKnown{"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"};
  auto found = std::ranges::find(kKnown, method);
  return found == kKnown.end() ? "other" : *found;
}

// What stands for {name}, when the path is one of the pattern's. Names of documents that could not be loaded are paths
// of files, so a name may hold slashes.
std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  const std::size_t hole = pattern.find(kName);
  if (hole == std::string_view::npos)
    return path == pattern || (path.ends_with('/') && path.substr(0, path.size() - 1) == pattern)
               ? std::optional<std::string>("")
               : std::nullopt;
  const std::string_view before = pattern.substr(0, hole), behind = pattern.substr(hole + kName.size());
  if (path.size() <= before.size() + behind.size() || !path.starts_with(before) || !path.ends_with(behind))
    return std::nullopt;
  return std::string(path.substr(before.size(), path.size() - before.size() - behind.size()));
}

// One line for each request that was let through to change something. Never its body: that may hold secrets.
void audit(const Request& request, Role role, int status) {
  obs::info("api", {{"method", request.method},
                    {"path", request.path},
                    {"status", std::int64_t{status}},
                    {"role", to_string(role)},
                    {"peer", request.peer}});
}

bool is_probe(std::string_view pattern) {
  return std::ranges::any_of(Api::routes(),
                             [&](const Api::Route& each) { return each.probe && each.pattern == pattern; });
}

}  // namespace

// A longer pattern comes before one that would take its path for a name.
std::span<const Api::Route> Api::routes() {
  static constexpr Route kRoutes[] = {
      {"GET", "/livez", &Api::alive, "The process answers.", true},
      {"GET", "/health", &Api::health, "503 when a pipeline has failed.", true},
      {"GET", "/ready", &Api::ready, "503 until every pipeline is connected and processing.", true},
      {"GET", "/metrics", &Api::metrics, "Prometheus metrics.", true},
      {"GET", "/openapi.json", &Api::openapi, "This document."},
      {"GET", "/log-level", &Api::log_level, "The level of the log."},
      {"PUT", "/log-level", &Api::set_log_level, "Sets the level until the next start."},
      {"POST", "/validate", &Api::validate, "Checks a pipeline document (JSON or YAML) without starting anything."},
      {"GET", "/pipelines", &Api::list, "All pipelines; ?label=key:value or ?label=key, several must all match."},
      {"POST", "/pipelines", &Api::create, "Makes a pipeline of a document (JSON or YAML), keeps and starts it."},
      {"POST", "/pipelines/{name}/pause", &Api::pause, "Stops reading, keeps the connection."},
      {"POST", "/pipelines/{name}/resume", &Api::resume, "Goes on; from stopped or failed, from the stored positions."},
      {"POST", "/pipelines/{name}/stop", &Api::stop, "Delivers what was read, stores positions, disconnects."},
      {"GET", "/pipelines/{name}/checkpoints", &Api::checkpoints, "Where each sink stands."},
      {"DELETE", "/pipelines/{name}/checkpoint", &Api::reset, "Forgets the positions of a stopped pipeline."},
      {"GET", "/pipelines/{name}/journal/dlq", &Api::dead_letters,
       "Dead letters, oldest first; ?limit, ?sink_id, ?processor_id, ?error_kind, ?after_seq."},
      {"DELETE", "/pipelines/{name}/journal/dlq", &Api::purge_dead_letters, "Removes all dead letters."},
      {"GET", "/pipelines/{name}/journal/dlq/count", &Api::count_dead_letters, "How many dead letters there are."},
      {"POST", "/pipelines/{name}/journal/dlq/ack", &Api::acknowledge, "Removes dead letters, up to a seq."},
      {"POST", "/pipelines/{name}/journal/dlq/retry", &Api::retry_dead_letters,
       "Sends dead letters again, oldest first; those that are delivered leave the queue."},
      {"GET", "/pipelines/{name}/sensing/schemas", &Api::no_sensing, "Schema sensing: not in this build."},
      {"GET", "/pipelines/{name}/sensing/stats", &Api::no_sensing, "Schema sensing: not in this build."},
      {"GET", "/pipelines/{name}", &Api::show, "One pipeline with its numbers."},
      {"PATCH", "/pipelines/{name}", &Api::patch,
       "Merges a partial document into it, and restarts it; the old one goes on when the new one does not run."},
      {"DELETE", "/pipelines/{name}", &Api::remove,
       "Stops and removes it with its positions, and with the slot and publication that it made; ?keep_state=true "
       "keeps those."},
  };
  return kRoutes;
}

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
  std::string_view ignored;
  return route(request, ignored);
}

Response Api::route(const Request& request, std::string_view& pattern) {
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string allow;
  for (const Route& each : routes()) {
    if (!allow.empty() && each.pattern != pattern) continue;
    auto name = match(each.pattern, request.path);
    if (!name) continue;
    pattern = each.pattern;
    if (each.method == method) return answer(each, {request, std::move(*name)});
    allow.append(allow.empty() ? "" : ", ").append(each.method);
  }
  if (!is_probe(pattern))
    if (auto refused = access_.refusal(request)) return *refused;
  if (!allow.empty()) {
    Response response = problem(405, "METHOD_NOT_ALLOWED", "this route answers " + allow + " only");
    response.allow = allow;
    return response;
  }
  return problem(404, "NOT_FOUND", "no such route; GET /openapi.json lists them");
}

Response Api::answer(const Route& route, const Call& call) {
  if (route.probe) return (this->*route.answer)(call);
  if (auto refused = access_.refusal(call.request)) return *refused;
  Response response = (this->*route.answer)(call);
  if (route.method != "GET") audit(call.request, access_.role_of(call.request), response.status);
  return response;
}

Response Api::alive(const Call&) { return {200, R"({"status":"ok"})"}; }

Response Api::metrics(const Call&) {
  manager_.publish_metrics();
  return {200, obs::Metrics::instance().text(), "text/plain; version=0.0.4; charset=utf-8"};
}

Response Api::openapi(const Call&) { return {200, openapi_document()}; }

Response Api::log_level(const Call&) {
  return {200, fmt::format(R"({{"level":"{}"}})", obs::to_string(obs::log_level()))};
}

Response Api::set_log_level(const Call& call) {
  const auto body = nlohmann::json::parse(call.request.body, nullptr, false);
  const bool has_level = body.is_object() && body.contains("level") && body["level"].is_string();
  const auto level = has_level ? parse_log_level(body["level"].get<std::string>()) : std::nullopt;
  if (!level) return problem(400, "INVALID_BODY", R"(write {"level":"..."} with trace, debug, info, warn or error)");
  obs::set_log_level(*level);
  return log_level(call);
}

}  // namespace deltaforge::server
