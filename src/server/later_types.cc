#include "server/later_types.h"

#include <algorithm>
#include <array>
#include <utility>

namespace deltaforge::server {

bool comes_later(std::string_view kind, std::string_view type) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kLater{{
      {"source", "turso"},
      {"processor", "javascript"},
      {"sink", "clickhouse"},
      {"sink", "s3"},
  }};
  return std::ranges::find(kLater, std::pair(kind, type)) != kLater.end();
}

}  // namespace deltaforge::server
