// `deltaforge plan`: what a start would find at the server.
#pragma once

#include "core/plan.h"
#include "core/sink.h"
#include "sinks/nats/config.h"

namespace deltaforge::sinks::nats {

// Logs in and reads. Throws Error as Connection and Streams do.
void look_at_server(const Config&, const SinkContext&, PlanReport&);

}  // namespace deltaforge::sinks::nats
