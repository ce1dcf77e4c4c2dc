// `deltaforge plan`: what a start would find at the server.
#pragma once

#include "core/plan.h"
#include "sinks/redis/config.h"

namespace deltaforge::sinks::redis {

// Logs in and reads. Throws Error as Connection does.
void look_at_server(const Config&, PlanReport&);

}  // namespace deltaforge::sinks::redis
