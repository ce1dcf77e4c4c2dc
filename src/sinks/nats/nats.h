// Registers the sink `nats`.
#pragma once

#include "core/component.h"

namespace deltaforge::sinks::nats {
void add(Catalogue&);
}
