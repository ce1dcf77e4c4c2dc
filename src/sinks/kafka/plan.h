// `deltaforge plan`: what a start would find at the brokers.
#pragma once

#include "core/plan.h"
#include "core/sink.h"
#include "sinks/kafka/config.h"

namespace deltaforge::sinks::kafka {

// Asks as a consumer, which makes no topic. Throws Error as Client does.
void look_at_brokers(const Config&, const SinkContext&, PlanReport&);

}  // namespace deltaforge::sinks::kafka
