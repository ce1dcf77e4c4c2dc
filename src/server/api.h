// The REST API: what each route answers. No sockets here; http_server.h brings the requests. One table of routes
// (api.cc) decides which handler answers, how the metrics name it, and what the OpenAPI document says.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/component.h"
#include "server/access.h"
#include "server/http_server.h"
#include "server/manager.h"

namespace deltaforge::server {

class Api {
 public:
  // Probes and metrics answer everybody, everything else whom `access` lets.
  Api(Manager& manager, const Catalogue& catalogue, Access access)
      : manager_(manager), catalogue_(catalogue), access_(std::move(access)) {}

  // Any thread.
  Response handle(const Request&);
  // The listener of --metrics-addr: GET /metrics and nothing else.
  Response handle_metrics_only(const Request&);

  struct Call {
    const Request& request;
    std::string name;  // what stands for {name} in the pattern
  };
  struct Route {
    std::string_view method;   // HEAD is answered as GET
    std::string_view pattern;  // "/pipelines/{name}/pause"
    Response (Api::*answer)(const Call&);
    std::string_view summary;
    bool probe = false;  // answers everybody
  };
  static std::span<const Route> routes();

 private:
  Response route(const Request&, std::string_view& pattern);
  Response answer(const Route&, const Call&);

  // the process
  Response alive(const Call&);
  Response metrics(const Call&);
  Response openapi(const Call&);
  Response log_level(const Call&);
  Response set_log_level(const Call&);

  // pipelines, and probes that ask for them: api_pipelines.cc
  Response health(const Call&);
  Response ready(const Call&);
  Response validate(const Call&);
  Response list(const Call&);
  Response create(const Call&);
  Response show(const Call&);
  Response patch(const Call&);
  Response remove(const Call&);
  Response pause(const Call&);
  Response resume(const Call&);
  Response stop(const Call&);
  Response checkpoints(const Call&);
  Response reset(const Call&);
  Response no_sensing(const Call&);

  // dead letters: api_journal.cc
  template <class F>
  Response with_journal(const Call&, const std::shared_ptr<Runnable>&, F&& answer);
  Response dead_letters(const Call&);
  Response count_dead_letters(const Call&);
  Response acknowledge(const Call&);
  Response purge_dead_letters(const Call&);
  Response retry_dead_letters(const Call&);

  Response answer_change(const std::string& name, std::string_view verb, Change);

  Manager& manager_;
  const Catalogue& catalogue_;
  const Access access_;
};

// The OpenAPI 3.1 document of the table, as JSON.
std::string openapi_document();

}  // namespace deltaforge::server
