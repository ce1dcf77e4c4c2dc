// Registers the sink `redis`.
#pragma once

#include "core/component.h"

namespace deltaforge::sinks::redis {
void add(Catalogue&);
}
