// Registers the sink `http`.
#pragma once

#include "core/component.h"

namespace deltaforge::sinks::http {
void add(Catalogue&);
}
