// Types that the book names and this build lacks: they are refused as such, not as a misspelling.
#pragma once

#include <string_view>

namespace deltaforge::server {

// `kind` is "source", "processor" or "sink".
bool comes_later(std::string_view kind, std::string_view type);

}  // namespace deltaforge::server
