// Percent-encoding, as in the user part of a URI.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace deltaforge {

// Nothing where a % is not followed by two hex digits.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace deltaforge
