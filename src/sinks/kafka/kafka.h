// Registers the sink `kafka`.
#pragma once

#include "core/component.h"

namespace deltaforge::sinks::kafka {
void add(Catalogue&);
}
