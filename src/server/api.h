// The REST API: what each route answers. No sockets here; http_server.h brings the requests.
#pragma once

#include <string>
#include <string_view>

#include "server/http_server.h"
#include "server/manager.h"

namespace deltaforge::server {

class Api {
 public:
  // `closed`: the listener can be reached from other machines and no token protects it. Probes and metrics answer
  // then, everything else is 401.
  Api(Manager& manager, bool closed) : manager_(manager), closed_(closed) {}

  // Any thread.
  Response handle(const Request&);
  // The listener of --metrics-addr: GET /metrics and nothing else.
  Response handle_metrics_only(const Request&);

 private:
  Response route(const Request&, std::string_view& pattern);
  Response route_pipelines(const Request&, std::string_view& pattern);
  Response alive() const;
  Response health() const;
  Response ready() const;
  Response metrics() const;
  Response list(const Request&) const;
  Response show(const std::string& name) const;
  Response act(const std::string& name, std::string_view verb);

  Manager& manager_;
  const bool closed_;
};

}  // namespace deltaforge::server
