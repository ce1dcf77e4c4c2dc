#include "server/later_types.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace deltaforge::server {

bool comes_later(std::string_view kind, std::string_view type) {
  constexpr std::size_t kNoJavaScript = DELTAFORGE_JAVASCRIPT ? 0 : 1;  // left out by an option of the build
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3 + kNoJavaScript> kLater{{
      {"source", "turso"},
#if !DELTAFORGE_JAVASCRIPT
      {"processor", "javascript"},
#endif
      {"sink", "clickhouse"},
      {"sink", "s3"},
  }};
  return std::ranges::find(kLater, std::pair(kind, type)) != kLater.end();
}

}  // namespace deltaforge::server
