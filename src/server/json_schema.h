// The JSON Schema (draft 2020-12) of a pipeline document, made from the tables that read the document. Whatever
// `validate` accepts fits the schema; the reverse holds for names, types, ranges and choices, not for rules over
// several fields.
#pragma once

#include <string>

#include "core/component.h"

namespace deltaforge::server {

std::string json_schema(const Catalogue& catalogue);

}  // namespace deltaforge::server
