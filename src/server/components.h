// The catalogue of this build, made from components.def.
#pragma once

#include "core/component.h"

namespace deltaforge::server {

const Catalogue& components();

}  // namespace deltaforge::server
