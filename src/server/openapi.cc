#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/api.h"

namespace deltaforge::server {

using Json = nlohmann::ordered_json;

namespace {

Json refers_to(const char* schema) { return {{"$ref", std::string("#/components/schemas/") + schema}}; }

Json body_of(const Json& schema) { return {{"content", {{"application/json", {{"schema", schema}}}}}}; }

Json described(std::string text, Json with = Json::object()) {
  with["description"] = std::move(text);
  return with;
}

Json text_field() { return {{"type", "string"}}; }

Json schemas() {
  const Json object{{"type", "object"}};
  Json error = object, pipeline = object;
  error["properties"] = {{"code", text_field()}, {"message", text_field()}};
  error["required"] = {"code", "message"};
  pipeline["properties"] = {
      {"name", text_field()},
      {"status", {{"type", "string"}, {"enum", {"starting", "running", "degraded", "paused", "stopped", "failed"}}}},
      {"spec", {{"type", {"object", "null"}}}},
      {"error", {{"type", {"object", "null"}}}}};
  pipeline["required"] = {"name", "status", "spec", "error"};
  return {{"Error", error}, {"Pipeline", pipeline}, {"Document", object}};
}

// What a method answers when all is well.
Json success(const Api::Route& route) {
  const bool of_pipeline = route.pattern.starts_with("/pipelines");
  const bool changes = route.method == "POST" || route.method == "PATCH";
  if (route.pattern.find("/sensing/") != std::string_view::npos) return Json::object();
  if (route.pattern.find("/journal/") != std::string_view::npos) return {{"200", described("JSON.")}};
  if (route.method == "DELETE") return {{"204", described("Done.")}};
  if (route.pattern == "/metrics") return {{"200", described("Text in the exposition format.")}};
  if (of_pipeline && (changes || route.pattern == "/pipelines/{name}"))
    return {{"200", described("The pipeline.", body_of(refers_to("Pipeline")))}};
  return {{"200", described("JSON.")}};
}

Json operation(const Api::Route& route) {
  Json result{{"summary", route.summary}, {"responses", success(route)}};
  result["responses"]["default"] = described("What went wrong.", body_of(refers_to("Error")));
  Json parameters = Json::array();
  const auto parameter = [&](const char* name, const char* in) {
    parameters.push_back({{"name", name}, {"in", in}, {"required", in[0] == 'p'}, {"schema", text_field()}});
  };
  if (route.pattern.find("{name}") != std::string_view::npos) parameter("name", "path");
  if (route.pattern == "/pipelines" && route.method == "GET") parameter("label", "query");
  if (route.pattern == "/pipelines/{name}" && route.method == "DELETE") parameter("keep_state", "query");
  if (route.pattern == "/pipelines/{name}/journal/dlq" && route.method == "GET")
    for (const char* name : {"limit", "sink_id", "processor_id", "error_kind", "after_seq"}) parameter(name, "query");
  if (!parameters.empty()) result["parameters"] = parameters;
  const bool takes_document = route.pattern == "/validate" || route.method == "PATCH" ||
                              (route.pattern == "/pipelines" && route.method == "POST");
  const bool takes_entries = route.pattern.ends_with("/dlq/ack") || route.pattern.ends_with("/dlq/retry");
  if (takes_document || takes_entries || route.method == "PUT") {
    result["requestBody"] = body_of(takes_document ? refers_to("Document") : Json{{"type", "object"}});
    result["requestBody"]["required"] = !route.pattern.ends_with("/retry");
  }
  return result;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](char c) { return static_cast<char>(c | 0x20); });
  return result;
}

}  // namespace

std::string openapi_document() {
  Json paths = Json::object();
  for (const Api::Route& route : Api::routes())
    paths[std::string(route.pattern)][lower(route.method)] = operation(route);
  return Json{{"openapi", "3.1.0"},
              {"info", {{"title", "DeltaForge"}, {"version", DELTAFORGE_VERSION}}},
              {"paths", paths},
              {"components", {{"schemas", schemas()}}}}
      .dump();
}

}  // namespace deltaforge::server
