// JSON to the tree of a document, strictly.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/tree_builder.h"

namespace deltaforge::config {

struct SyntaxError {
  Place place;
  std::string message;
};

// One document, a map or a list; throws Stopped as the builder does. What was told to the builder before an error is of
// no use then. `text` is valid UTF-8.
std::optional<SyntaxError> parse_json(std::string_view text, TreeBuilder&);

}  // namespace deltaforge::config
