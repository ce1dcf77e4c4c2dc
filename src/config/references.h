// Cuts a text at its `${...}` references; what they mean is up to the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace deltaforge::config {

struct Piece {
  enum class Kind : std::uint8_t { literal, reference, unclosed };
  Kind kind = Kind::literal;
  std::string text;                     // the literal, or the name
  std::optional<std::string> fallback;  // what follows `:-`
};

// `$${` is a literal `${`. A reference ends at the first `}`.
std::vector<Piece> split_references(std::string_view text);

}  // namespace deltaforge::config
